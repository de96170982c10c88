package cssetcd

import (
	"context"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Subscription tells one subscriber what changes in a View. It holds the snapshot that the subscriber saw last and
// nothing else, however slow the subscriber is: what changed several times meanwhile comes once. It belongs to one
// goroutine and needs no closing.
//
//	subscription := view.Subscribe() // begins with what the view shows now
//	for {
//		update, err := subscription.Next(ctx) // waits
//		if err != nil {
//			return err // of ctx, or ErrClosed
//		}
//		for _, change := range update.Keys { // of CSS keys; update.To has the tables
//			...
//		}
//	}
type Subscription struct {
	view *View
	last *viewState
}

// Update is the net change between two snapshots of a view: whole revisions, nothing lost and nothing twice.
type Update struct {
	From, To *Snapshot
	Keys     []KeyChange // in byte order; empty when no CSS key has changed
	// EmptyChunks are the changes of which chunks of databases are empty, in byte order: values are texts of sets, and
	// keys are "css_empty/<db>".
	EmptyChunks []KeyChange
	// Regressed: etcd went back to an older revision or is another cluster. Keys is still the exact difference.
	Regressed bool
}

// Subscribe begins with what the view shows now.
func (v *View) Subscribe() *Subscription { return &Subscription{view: v, last: v.state.Load()} }

// Snapshot returns what the subscriber has seen: at first what the view showed at Subscribe, then To of the last
// update.
func (s *Subscription) Snapshot() *Snapshot { return s.last.snapshot }

// Next waits for the view to move on and returns the difference. It returns the error of ctx, or ErrClosed.
func (s *Subscription) Next(ctx context.Context) (Update, error) {
	for {
		now := s.view.state.Load()
		if now.snapshot == s.last.snapshot {
			s.last = now
			if err := s.view.wait(ctx, now, false); err != nil {
				return Update{}, err
			}
			continue
		}
		u := Update{From: s.last.snapshot, To: now.snapshot, Regressed: now.generation != s.last.generation}
		for _, d := range s.difference(now) {
			if _, ok := csskey.EmptyAt(d.Path); ok {
				u.EmptyChunks = append(u.EmptyChunks, KeyChange{Key: string(d.Path), Old: d.Old, New: d.New})
				continue
			}
			u.Keys = append(u.Keys, KeyChange{Key: cssKey(d.Path), Old: d.Old, New: d.New})
		}
		s.last = now
		return u, nil
	}
}

func (s *Subscription) difference(now *viewState) []kv.Delta {
	from, to := s.last.snapshot.kv, now.snapshot.kv
	if touched, ok := s.view.recent.between(s.last.seq, now.seq); ok {
		return kv.DiffAt(from, to, touched)
	}
	return kv.Diff(from, to)
}
