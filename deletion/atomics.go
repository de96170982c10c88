//go:build !explore

package deletion

import (
	"sync"
	"sync/atomic"
)

// What queries and the gate's goroutine share. With the tag explore a test decides which of them goes on at each use;
// see explore_test.go.
type (
	atomicBool           = atomic.Bool
	atomicUint32         = atomic.Uint32
	atomicUint64         = atomic.Uint64
	atomicPointer[T any] = atomic.Pointer[T]
	mutex                = sync.Mutex
	pool                 = sync.Pool
)

// signal wakes somebody up who looks at everything then.
type signal chan struct{}

func (s signal) give() {
	select {
	case s <- struct{}{}:
	default: // it is about to look
	}
}
