package mirror

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Rule: a trouble is told once when it begins, once an hour while it lasts, and once when it ends.
func TestTroubleIsToldOnceAnHour(t *testing.T) {
	var j journal
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	told := map[moment]int{}
	tell := func(notices []notice) {
		for _, n := range notices {
			told[n.what]++
		}
	}
	for range 3*3600 + 1 { // once a second
		tell(j.set(now, MySQLUnavailable, "no answer from attempt "+now.String()))
		tell(j.remind(now))
		now = now.Add(time.Second)
	}
	assert.Equal(t, map[moment]int{begins: 1, lasts: 3}, told)
	assert.Equal(t, now.Add(-3*time.Hour-time.Second), j.open[0].Since)
	tell(j.clear(func(t Trouble) bool { return t.Code != MySQLUnavailable }))
	assert.Len(t, j.open, 1)
	tell(j.clear(func(Trouble) bool { return true }))
	tell(j.clear(func(Trouble) bool { return true }))
	assert.Equal(t, 1, told[ends])
	assert.Empty(t, j.remind(now.Add(2*time.Hour)))
	tell(j.set(now, MySQLUnavailable, "again"))
	assert.Equal(t, 2, told[begins])
}

// Rule: what has no code of its own is told when its text is another.
func TestOtherTroubleIsToldByItsText(t *testing.T) {
	var j journal
	now := time.Now()
	assert.Len(t, j.set(now, Other, "a"), 1)
	assert.Empty(t, j.set(now, Other, "a"))
	assert.Len(t, j.set(now, Other, "b"), 1)
	assert.Len(t, j.open, 1)
}
