package cssetcd

import (
	"sync"

	"github.com/qserv/css-etcd/internal/kv"
)

// recentTouches are the paths that the last updates of a view touched, so that a subscriber's difference costs no walk
// through two snapshots. Their memory is bounded; a subscriber that is further behind is served by comparing snapshots.
type recentTouches struct {
	mu      sync.Mutex
	steps   []touchStep // oldest first, without gaps
	size    int         // steps and paths in them
	maxSize int         // size may not exceed this
}

// touchStep is the update that led to state seq.
type touchStep struct {
	seq     uint64
	touched []kv.Path
}

const keepTouches = 1 << 16

func (r *recentTouches) add(seq uint64, touched []kv.Path) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, touchStep{seq, touched})
	r.size += 1 + len(touched)
	for r.size > r.maxSize {
		r.size -= 1 + len(r.steps[0].touched)
		r.steps[0] = touchStep{}
		r.steps = r.steps[1:]
	}
}

// between returns the paths touched by the updates in (from, to]; ok is false when they are no longer known.
func (r *recentTouches) between(from, to uint64) (paths []kv.Path, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.steps) == 0 || r.steps[0].seq > from+1 {
		return nil, false
	}
	for _, step := range r.steps[from+1-r.steps[0].seq:] {
		if step.seq > to {
			break
		}
		paths = append(paths, step.touched...)
	}
	return paths, true
}
