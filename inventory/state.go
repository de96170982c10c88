package inventory

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// State is which chunks the workers serve, at one revision of etcd. It is immutable and safe for use by any number of
// goroutines. A look-up takes a fraction of a microsecond.
type State struct {
	kv      *kv.Snapshot
	workers map[string]*worker
	version uint64 // of workers, within a view
}

// worker is immutable.
type worker struct {
	process Process
	sets    map[string]served
}

// served is the set of chunks of one database. It is decoded when it is first asked for.
type served struct {
	entry  kv.Entry
	decode func() (chunkset.Set, error)
}

// Process is who publishes for a worker, as it says itself.
type Process struct {
	Name  string    `json:"process"` // host and process, say
	Since time.Time `json:"since"`   // by its clock
}

var root = kv.Below(csskey.Inventory)

// newState is the state that a snapshot of root shows.
func newState(s *kv.Snapshot) *State {
	names := map[string]bool{}
	for p := range s.Range(root) {
		names[workerAt(p)] = true
	}
	return (&State{kv: s}).with(s, maps.Keys(names))
}

// next is the state after some paths were touched. It shares all else.
func (i *State) next(s *kv.Snapshot, touched []kv.Path) *State {
	if len(touched) == 0 { // etcd's revision has moved elsewhere
		return &State{s, i.workers, i.version}
	}
	names := map[string]bool{}
	for _, p := range touched {
		names[workerAt(p)] = true
	}
	return i.with(s, maps.Keys(names))
}

func (i *State) with(s *kv.Snapshot, names iter.Seq[string]) *State {
	next := &State{s, maps.Clone(i.workers), i.version + 1}
	if next.workers == nil {
		next.workers = map[string]*worker{}
	}
	for name := range names {
		if w := readWorker(s, name, i.workers[name]); w != nil {
			next.workers[name] = w
		} else {
			delete(next.workers, name)
		}
	}
	return next
}

// readWorker reads what a snapshot has of a worker; nil: nothing. What has not changed is taken over.
func readWorker(s *kv.Snapshot, name string, old *worker) *worker {
	path := csskey.InventoryOf(name)
	who := s.At(path)
	if !who.Exists() { // each term of a publisher begins with it, and ends with all else
		return nil
	}
	w := &worker{sets: map[string]served{}}
	_ = json.Unmarshal([]byte(who.Value), &w.process) // it is told to people, and nothing follows from it
	for p, e := range s.Range(kv.Below(path)) {
		db := string(p[len(path)+1:])
		if old != nil && old.sets[db].entry == e { // an etcd that was set back may have another value at this revision
			w.sets[db] = old.sets[db]
			continue
		}
		w.sets[db] = served{e, sync.OnceValues(func() (chunkset.Set, error) { return decode(p, e.Value) })}
	}
	return w
}

func decode(p kv.Path, text string) (chunkset.Set, error) {
	set, err := chunkset.Parse(text)
	if err != nil {
		return set, fmt.Errorf("%w: key %s: %w", cssetcd.ErrBadValue, p, err)
	}
	return set, nil
}

// workerAt returns whose a path below the root is.
func workerAt(p kv.Path) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(string(p), string(csskey.Inventory)+"/"), "/")
	return name
}

// SameAs reports whether a worker serves what it served in another state of the same view.
func (i *State) SameAs(o *State, worker string) bool { return i.workers[worker] == o.workers[worker] }

// Revision is that of etcd whose state this is.
func (i *State) Revision() cssetcd.Revision { return i.kv.Revision }

// Workers returns the names of the workers for which somebody publishes, sorted.
func (i *State) Workers() []string { return slices.Sorted(maps.Keys(i.workers)) }

// Process returns who publishes for a worker, or [ErrNoSuchWorker] when nobody does.
func (i *State) Process(worker string) (Process, error) {
	w, ok := i.workers[worker]
	if !ok {
		return Process{}, fmt.Errorf("%w: %s", ErrNoSuchWorker, worker)
	}
	return w.process, nil
}

// Databases returns the databases of which a worker says what it serves, sorted. None where it is not alive.
func (i *State) Databases(worker string) []string {
	w, ok := i.workers[worker]
	if !ok {
		return nil
	}
	return slices.Sorted(maps.Keys(w.sets))
}

// Chunks returns the chunks of a database that a worker serves. It returns [ErrNoSuchWorker] where the worker is not
// alive, [ErrNotServed] where it does not speak of that database, and cssetcd.ErrBadValue where what it says is no set.
func (i *State) Chunks(worker, db string) (chunkset.Set, error) {
	w, ok := i.workers[worker]
	if !ok {
		return chunkset.Set{}, fmt.Errorf("%w: %s", ErrNoSuchWorker, worker)
	}
	s, ok := w.sets[db]
	if !ok {
		return chunkset.Set{}, fmt.Errorf("%w: database %s of worker %s", ErrNotServed, db, worker)
	}
	return s.decode()
}

// Serves reports whether a worker is alive and serves a chunk of a database. What cannot be read is not served.
func (i *State) Serves(worker, db string, chunk int) bool {
	w, ok := i.workers[worker]
	if !ok {
		return false
	}
	s, ok := w.sets[db]
	if !ok {
		return false
	}
	set, err := s.decode()
	return err == nil && set.Contains(chunk)
}

// Serving returns the workers that serve a chunk of a database, sorted, wherever the catalogue places it.
func (i *State) Serving(db string, chunk int) []string {
	var names []string
	for name := range i.workers {
		if i.Serves(name, db, chunk) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
