package mirror_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
)

// Rule: an etcd that went back, was refused by the brake and put right again is followed again, and what its history
// deleted since then needs no brake.
func TestEtcdIsRightAgain(t *testing.T) {
	w := newWorld(t)
	old := w.snapshot(w.put("/DBS/a", "1"))
	w.many()
	now := w.snapshot(w.put("/DBS/a", "2"))
	f := &feed{last: now, updates: make(chan cssetcd.Update)}
	m := w.mirror(func(c *mirror.Config) { c.Feed = f })
	w.run(m)
	awaitStatus(t, m, following)
	f.updates <- cssetcd.Update{From: now, To: old, Regressed: true}
	awaitStatus(t, m, has(mirror.BrakeOn))
	w.deleteAll("/many/")
	right := w.snapshot(w.put("/DBS/a", "3"))
	f.updates <- cssetcd.Update{From: old, To: right, Regressed: true, Keys: []cssetcd.KeyChange{{Key: "/DBS/a"}}}
	assert.Eventually(t, func() bool { return following(m.Status()) && m.Status().Applied == right.Revision() },
		2*time.Second, 10*time.Millisecond, "%v", m.Status().Troubles)
	w.once()
}
