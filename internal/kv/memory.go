package kv

import (
	"context"
	"slices"
	"sync"
)

// Memory is a store in memory. It keeps every revision, which costs little since they share what did not change; it is
// meant for tests and for catalogues on a file. It is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	history []*Snapshot // history[i] is the state that came into being at its Revision
	save    func(*Snapshot) error
}

// NewMemory returns an empty store at revision 1, as a new etcd is.
func NewMemory() *Memory {
	return NewMemoryAt(NewSnapshot(1, Everything), nil)
}

// NewMemoryAt returns a store that begins with a snapshot of everything. Where save is not nil, it is called with each
// new state before anyone sees it; when it fails, the transaction fails and nothing has changed.
func NewMemoryAt(start *Snapshot, save func(*Snapshot) error) *Memory {
	return &Memory{history: []*Snapshot{start}, save: save}
}

// Fetch implements [Store].
func (m *Memory) Fetch(ctx context.Context, at Revision, spans ...Span) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.history[len(m.history)-1]
	switch {
	case at == 0:
		at = now.Revision
	case at > now.Revision:
		return nil, ErrFutureRevision
	case at < m.history[0].Revision:
		return nil, ErrCompacted
	}
	return m.history[at-m.history[0].Revision].only(at, spans), nil
}

// Commit implements [Store].
func (m *Memory) Commit(ctx context.Context, c Change) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.history[len(m.history)-1]
	for _, g := range c.Guards {
		if !g.Holds(now) {
			return now.only(now.Revision, c.Gets), ErrGuard
		}
	}
	// As in etcd, a transaction that only deletes what is not there makes no revision.
	if next := c.Apply(now); len(c.Puts) > 0 || next.Len() < now.Len() {
		if m.save != nil {
			if err := m.save(next); err != nil {
				return nil, err
			}
		}
		now = next
		m.history = append(m.history, now)
	}
	return now.only(now.Revision, c.Gets), nil
}

// Author implements [Store]: nobody else reads the history of a store in memory.
func (m *Memory) Author() string { return "" }

// Compact forgets the revisions before at, as etcd does, but never the newest.
func (m *Memory) Compact(at Revision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first, last := m.history[0].Revision, m.history[len(m.history)-1].Revision
	m.history = slices.Clone(m.history[max(first, min(at, last))-first:])
}

// only returns the part of s that the spans show.
func (s *Snapshot) only(at Revision, spans []Span) *Snapshot {
	b := NewSnapshot(at, spans...).Edit()
	for _, span := range spans {
		for p, e := range s.Range(span) {
			b.Put(p, e)
		}
	}
	return b.Snapshot(at)
}
