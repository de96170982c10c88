package coordinator

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
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

// What fails is logged as a warning, what has changed meanwhile is not, and either has its name.
func TestReportsOfACoordinator(t *testing.T) {
	var log strings.Builder
	c := &Coordinator{cfg: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
	round := func(err error) string {
		log.Reset()
		c.failing.begin()
		c.report(&leadership{}, protocol.Action{Kind: protocol.MarkNow, Name: "/DBS/D/TABLES/T"}, err)
		return log.String()
	}
	assert.Empty(t, round(kv.ErrGuard))
	assert.Contains(t, round(errors.New("etcd is full")), "level=WARN")
	assert.Empty(t, round(errors.New("etcd is full")))
	done := round(nil)
	assert.Contains(t, done, "level=INFO")
	assert.Contains(t, done, "name=D.T")
}
