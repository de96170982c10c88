package compaction

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestWhatIsKnownIsOfOneHistory: an etcd that was restored from a backup has lower revisions, and what was known of the
// other is forgotten.
func TestWhatIsKnownIsOfOneHistory(t *testing.T) {
	c := compactor{cfg: Config{Keep: time.Hour}}
	begin := time.Now()
	c.note(begin, 1000)
	c.note(begin.Add(30*time.Minute), 2000)
	assert.Zero(t, c.outdated(begin.Add(59*time.Minute)))
	assert.EqualValues(t, 1000, c.outdated(begin.Add(80*time.Minute)))
	assert.EqualValues(t, 2000, c.outdated(begin.Add(90*time.Minute)))
	c.compacted = 2000
	c.note(begin.Add(2*time.Hour), 500)
	assert.Zero(t, c.outdated(begin.Add(2*time.Hour)), "2000 may be to come in the history that there is now")
	assert.EqualValues(t, 500, c.outdated(begin.Add(3*time.Hour)))
}
