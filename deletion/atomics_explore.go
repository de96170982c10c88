//go:build explore

package deletion

import (
	"sync"
	"sync/atomic"
)

// As in atomics.go, but before each use of what is shared, a test may let others go on; see explore_test.go.

// reached is called before each use; nil where nobody explores. It returns when the use may happen.
var reached func(access)

// access is a use of something that goroutines share.
type access struct {
	of    any // a pointer
	write bool
	free  func() bool // whether it can happen now; nil: always
}

func reach(of any, write bool) {
	if reached != nil {
		reached(access{of: of, write: write})
	}
}

type atomicBool struct{ v atomic.Bool }

func (x *atomicBool) Load() bool   { reach(x, false); return x.v.Load() }
func (x *atomicBool) Store(v bool) { reach(x, true); x.v.Store(v) }

type atomicUint32 struct{ v atomic.Uint32 }

func (x *atomicUint32) Load() uint32        { reach(x, false); return x.v.Load() }
func (x *atomicUint32) Add(d uint32) uint32 { reach(x, true); return x.v.Add(d) }

type atomicUint64 struct{ v atomic.Uint64 }

func (x *atomicUint64) Load() uint64        { reach(x, false); return x.v.Load() }
func (x *atomicUint64) Or(m uint64) uint64  { reach(x, true); return x.v.Or(m) }
func (x *atomicUint64) And(m uint64) uint64 { reach(x, true); return x.v.And(m) }
func (x *atomicUint64) CompareAndSwap(old, v uint64) bool {
	reach(x, true)
	return x.v.CompareAndSwap(old, v)
}

type atomicPointer[T any] struct{ v atomic.Pointer[T] }

func (x *atomicPointer[T]) Load() *T     { reach(x, false); return x.v.Load() }
func (x *atomicPointer[T]) Store(v *T)   { reach(x, true); x.v.Store(v) }
func (x *atomicPointer[T]) Swap(v *T) *T { reach(x, true); return x.v.Swap(v) }

type mutex struct {
	v    sync.Mutex
	held atomic.Bool
}

func (m *mutex) Lock() {
	if reached != nil {
		reached(access{of: m, write: true, free: func() bool { return !m.held.Load() }})
	}
	m.v.Lock()
	m.held.Store(true)
}

func (m *mutex) Unlock() {
	reach(m, true)
	m.held.Store(false)
	m.v.Unlock()
}

// pool gives back what was put last, so that nothing rests that could be used again.
type pool struct {
	New  func() any
	v    sync.Mutex
	free []any
}

func (p *pool) Get() any {
	reach(p, true)
	p.v.Lock()
	defer p.v.Unlock()
	if n := len(p.free); n > 0 {
		x := p.free[n-1]
		p.free = p.free[:n-1]
		return x
	}
	return p.New()
}

func (p *pool) Put(x any) {
	reach(p, true)
	p.v.Lock()
	defer p.v.Unlock()
	p.free = append(p.free, x)
}

type signal chan struct{}

func (s signal) give() {
	reach(s, true)
	select {
	case s <- struct{}{}:
	default:
	}
}

// mutant is what is wrong on purpose; "": nothing.
var mutant string

func mutated(name string) bool { return mutant == name }

var _ = mutated // used by an overlay
