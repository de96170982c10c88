package kvtest

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/qserv/css-etcd/internal/kv"
)

// Model is a [kv.Store] made to be obviously right: a list of maps, each looked through from one end to the other. It
// shares no code with the stores that it is compared with.
type Model struct {
	mu     sync.Mutex
	states []map[kv.Path]kv.Entry // states[i] is the state at revision i+1
}

var _ kv.Store = (*Model)(nil)

// NewModel returns an empty model at revision 1.
func NewModel() *Model { return &Model{states: []map[kv.Path]kv.Entry{{}}} }

// Fetch implements [kv.Store].
func (m *Model) Fetch(ctx context.Context, at kv.Revision, spans ...kv.Span) (*kv.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at == 0 {
		at = kv.Revision(len(m.states))
	}
	if int(at) > len(m.states) {
		return nil, kv.ErrFutureRevision
	}
	return m.show(at, spans), ctx.Err()
}

// Author implements [kv.Store].
func (m *Model) Author() string { return "the model" }

// Commit implements [kv.Store].
func (m *Model) Commit(ctx context.Context, c kv.Change) (*kv.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	puts := map[kv.Path]bool{}
	for _, p := range c.Puts {
		for _, d := range c.Deletes {
			if within(p.Path, d) {
				return nil, kv.ErrUnorderable
			}
		}
		if puts[p.Path] {
			return nil, fmt.Errorf("%s is put twice", p.Path)
		}
		puts[p.Path] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := kv.Revision(len(m.states))
	now := m.states[at-1]
	for _, g := range c.Guards {
		if !holds(now, g) {
			return m.show(at, c.Gets), kv.ErrGuard
		}
	}
	next := maps.Clone(now)
	for _, d := range c.Deletes {
		for p := range now {
			if within(p, d) {
				delete(next, p)
			}
		}
	}
	changed := len(next) != len(now)
	for _, p := range c.Puts {
		changed = true
		create := at + 1
		if old, ok := now[p.Path]; ok {
			create = old.Create
		}
		next[p.Path] = kv.Entry{Value: p.Value, Create: create, Mod: at + 1}
	}
	if changed {
		m.states = append(m.states, next)
		at++
	}
	return m.show(at, c.Gets), nil
}

func (m *Model) show(at kv.Revision, spans []kv.Span) *kv.Snapshot {
	b := kv.NewSnapshot(at, spans...).Edit()
	for p, e := range m.states[at-1] {
		for _, s := range spans {
			if within(p, s) {
				b.Put(p, e)
			}
		}
	}
	return b.Snapshot(at)
}

func within(p kv.Path, s kv.Span) bool {
	if s.To == "" {
		return p == s.From
	}
	return p >= s.From && p < s.To
}

func holds(now map[kv.Path]kv.Entry, g kv.Guard) bool {
	e, there := now[g.Path]
	switch g.Kind {
	case kv.Absent:
		return !there
	case kv.ModIs:
		return e.Mod == g.Revision
	case kv.CreateIs:
		return e.Create == g.Revision
	case kv.ValueIs:
		return there && e.Value == g.Value
	case kv.NothingBelow:
		for p := range now {
			if strings.HasPrefix(string(p), string(g.Path)+"/") {
				return false
			}
		}
		return true
	case kv.NothingIn:
		for p := range now {
			if p >= g.Path && p < g.To {
				return false
			}
		}
		return true
	case kv.UnchangedSince:
		for p, e := range now {
			if p >= g.Path && p < g.To && e.Mod > g.Revision {
				return false
			}
		}
		return true
	}
	panic("unknown guard")
}
