package kvtest

import (
	"context"

	"github.com/qserv/css-etcd/internal/kv"
)

// Hooks is a store whose calls pass through functions of the test, where they are not nil. Next is the call to the
// store.
type Hooks struct {
	kv.Store
	OnFetch  func(ctx context.Context, at kv.Revision, spans []kv.Span, next Fetch) (*kv.Snapshot, error)
	OnCommit func(ctx context.Context, c kv.Change, next Commit) (*kv.Snapshot, error)
}

type (
	// Fetch is the type of [kv.Store]'s Fetch.
	Fetch func(ctx context.Context, at kv.Revision, spans ...kv.Span) (*kv.Snapshot, error)
	// Commit is the type of [kv.Store]'s Commit.
	Commit func(ctx context.Context, c kv.Change) (*kv.Snapshot, error)
)

// Fetch implements [kv.Store].
func (h Hooks) Fetch(ctx context.Context, at kv.Revision, spans ...kv.Span) (*kv.Snapshot, error) {
	if h.OnFetch == nil {
		return h.Store.Fetch(ctx, at, spans...)
	}
	return h.OnFetch(ctx, at, spans, h.Store.Fetch)
}

// Commit implements [kv.Store].
func (h Hooks) Commit(ctx context.Context, c kv.Change) (*kv.Snapshot, error) {
	if h.OnCommit == nil {
		return h.Store.Commit(ctx, c)
	}
	return h.OnCommit(ctx, c, h.Store.Commit)
}
