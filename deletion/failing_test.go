package deletion

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/deletion/protocol"
)

// TestFailuresAreToldOnce, and again when they are others or came back.
func TestFailuresAreToldOnce(t *testing.T) {
	full, away := errors.New("etcd is full"), errors.New("etcd is away")
	mark := protocol.Action{Kind: protocol.MarkNow, Name: "D.T", Mark: 5}
	deregister := protocol.Action{Kind: protocol.Deregister, ID: "czar-1"}
	var f failing
	round := func(err error, actions ...protocol.Action) (news []bool) {
		f.begin()
		for _, a := range actions {
			news = append(news, f.news(a, err))
		}
		return news
	}
	assert.Equal(t, []bool{true, true}, round(full, mark, deregister))
	assert.Equal(t, []bool{false, false}, round(full, mark, deregister))
	assert.Equal(t, []bool{true}, round(away, mark))
	assert.Equal(t, []bool{false, true}, round(away, mark, deregister), "it did not fail in between")
	assert.Empty(t, round(nil))
	assert.Equal(t, []bool{true}, round(away, mark))
	mark.Mark = 9
	assert.Equal(t, []bool{true}, round(away, mark), "another drop of the name")
}
