package form

import (
	"time"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/inventory"
)

// Worker is the form of what a worker serves at this moment.
type Worker struct {
	Name      string      `json:"worker"`
	Alive     bool        `json:"alive"`
	Process   string      `json:"process,omitempty"` // who publishes for it
	Since     *time.Time  `json:"since,omitempty"`   // by the clock of that
	Databases []ServedSet `json:"databases"`
}

// ServedSet is the form of the chunks of a database that a worker serves.
type ServedSet struct {
	Database string       `json:"database"`
	Count    int          `json:"count"`
	Chunks   chunkset.Set `json:"chunks"`          // as text: "0-311,313"
	Error    string       `json:"error,omitempty"` // why it could not be read
}

// OfWorker returns the form of a worker, and how its faults are told.
func OfWorker(s *inventory.State, name string, told func(error) string) Worker {
	w := Worker{Name: name, Databases: []ServedSet{}}
	who, err := s.Process(name)
	if w.Alive = err == nil; w.Alive {
		w.Process = who.Name
		if !who.Since.IsZero() {
			w.Since = &who.Since
		}
	}
	for _, db := range s.Databases(name) {
		w.Databases = append(w.Databases, OfServedSet(s, name, db, told))
	}
	return w
}

// OfServedSet returns the form of the set of one database.
func OfServedSet(s *inventory.State, worker, db string, told func(error) string) ServedSet {
	set, err := s.Chunks(worker, db)
	v := ServedSet{Database: db, Count: set.Len(), Chunks: set}
	if err != nil {
		v.Error = told(err)
	}
	return v
}

// Gap is the form of a difference between what a worker serves and what is placed on it.
type Gap struct {
	Worker   string       `json:"worker"`
	Database string       `json:"database"`
	Alive    bool         `json:"alive"`
	Missing  chunkset.Set `json:"missing"` // placed, not served
	Extra    chunkset.Set `json:"extra"`   // served, not placed
	Error    string       `json:"error,omitempty"`
}

// OfGap returns the form of a gap.
func OfGap(g inventory.Gap, told func(error) string) Gap {
	v := Gap{Worker: g.Worker, Database: g.DB, Alive: g.Alive, Missing: g.Missing, Extra: g.Extra}
	if g.Err != nil {
		v.Error = told(g.Err)
	}
	return v
}
