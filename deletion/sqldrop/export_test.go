package sqldrop

import (
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/deletion/coordinator"
)

// Markers is the schema of the fences.
const Markers = markers

// MostWaits is the number of jobs that a Tracker remembers.
const MostWaits = maxWaits

// The rules of names.
var (
	AtomicRename = atomicRename
	LikePrefix   = likePrefix
)

// At has a function called before each statement of an attempt.
func (d *Dropper) At(f func(server *mysql.Config, step string)) { d.at = f }

// Patience has a Dropper tell sooner of a server that does not answer.
func (d *Dropper) Patience(p time.Duration) { d.patience = p }

// Names returns the names of the markers of a table, and what those of its trash begin with.
func Names(database string, t coordinator.JobTable) (fence, spent, trash string) {
	m := marksOf(coordinator.Job{Database: database}, t)
	return m.fence, m.spent, m.trash
}

// Remembered returns the number of jobs that the Tracker remembers.
func (t *Tracker) Remembered() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.waits)
}
