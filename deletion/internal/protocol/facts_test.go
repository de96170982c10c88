package protocol

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Who was registered at a mark and still is was there before it, however often the registration has been written since.
func TestPresentAtAMark(t *testing.T) {
	b := kv.NewSnapshot(9, kv.Below(csskey.Czars)).Edit()
	b.Put(czarPath("before"), kv.Entry{Create: 3, Mod: 3})
	b.Put(czarPath("before, and ending since"), kv.Entry{Create: 4, Mod: 8})
	b.Put(czarPath("later"), kv.Entry{Create: 7, Mod: 7})
	assert.Equal(t, []string{"before", "before, and ending since"}, PresentAt(b.Snapshot(9), 5))
}
