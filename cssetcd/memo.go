package cssetcd

import "sync/atomic"

// memo is something read from a snapshot, kept from the first reading on. Snapshots in which it is the same share it.
// The zero memo is empty.
type memo[T any] struct{ kept atomic.Pointer[outcome[T]] }

type outcome[T any] struct {
	value T
	err   error
}

// keep returns what was kept first: goroutines that read at the same time all get the same value.
func (m *memo[T]) keep(value T, err error) (T, error) {
	m.kept.CompareAndSwap(nil, &outcome[T]{value, err})
	first := m.kept.Load()
	return first.value, first.err
}

// copy takes over what another memo keeps by now.
func (m *memo[T]) copy(other *memo[T]) { m.kept.Store(other.kept.Load()) }
