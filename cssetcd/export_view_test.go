package cssetcd

import "github.com/qserv/css-etcd/internal/kv"

// Next returns the snapshot that a view makes of the next state.
func (s *Snapshot) Next(now *kv.Snapshot, touched []kv.Path) *Snapshot {
	return s.next(now, s.cluster, touched)
}

// KnownSchemas returns how many texts of schemas are known to the snapshot and its successors.
func (s *Snapshot) KnownSchemas() int {
	s.index.schemas.mu.Lock()
	defer s.index.schemas.mu.Unlock()
	return len(s.index.schemas.byText)
}

// ViewByHand returns a view without an etcd, and what tells it of updates. Close ends it.
func ViewByHand(start *kv.Snapshot) (v *View, tell func(kv.Update)) {
	v = &View{done: make(chan struct{}), ask: make(chan struct{}, 1), recent: recentTouches{maxSize: keepTouches}}
	v.cancel = func() { close(v.done) }
	v.state.Store(&viewState{snapshot: newSnapshot(start, 0), seq: 1, condition: Condition{Phase: Live},
		changed: make(chan struct{})})
	return v, v.update
}

// Asking has a value for each time that etcd is to be asked at once.
func (v *View) Asking() <-chan struct{} { return v.ask }

// KV returns what the snapshot shows, as the core has it.
func (s *Snapshot) KV() *kv.Snapshot { return s.kv }
