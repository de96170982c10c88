package cssetcd

import (
	"context"
	"log/slog"
	"slices"

	"github.com/qserv/css-etcd/internal/kv"
)

// OnStore returns a client on any store; it cannot open views.
func OnStore(st kv.Store) *Client {
	return &Client{store: st, prefix: DefaultPrefix, log: slog.New(slog.DiscardHandler)}
}

// Through returns a copy of a client whose operations go through another store, made from its own.
func (c *Client) Through(wrap func(kv.Store) kv.Store) *Client {
	through := *c
	through.store = wrap(c.store)
	return &through
}

// Store returns what the client works on.
func (c *Client) Store() kv.Store { return c.store }

// CatalogueOf shows what a store holds at a revision, 0 for the newest, as a Snapshot.
func CatalogueOf(s *kv.Snapshot) *Snapshot { return newSnapshot(s, 0) }

// OpenViewRemembering is OpenView with another bound on the touched keys that the view remembers.
func OpenViewRemembering(ctx context.Context, c *Client, most int) (*View, error) {
	return openView(ctx, c, viewSettings{maxSize: most})
}

// HoldUpdates keeps the view from taking in what it is told, until release.
func (v *View) HoldUpdates() (release func()) {
	v.recent.mu.Lock()
	return v.recent.mu.Unlock
}

// Remembered returns how many updates and touched keys the view remembers.
func (v *View) Remembered() (updates, touches int) {
	v.recent.mu.Lock()
	defer v.recent.mu.Unlock()
	return len(v.recent.steps), v.recent.size
}

// FoldPath is where the spelling of a name key is kept.
func FoldPath(key string) kv.Path { return foldPath(key) }

// Saving tells a test of each moment of the saves of a client on a file: 0 begun, 1 written, 2 renamed.
func (c *Client) Saving(moment func(int)) {
	c.closer.(*catalogueFile).step = func(s saving) { moment(int(s)) }
}

// SharedPages counts the pages of a placement that another one has, too, and those that it has.
func SharedPages(p, other *Placement) (shared, all int) {
	for i, number := range p.numbers {
		if at, ok := slices.BinarySearch(other.numbers, number); ok && p.pages[i] == other.pages[at] {
			shared++
		}
	}
	return shared, len(p.pages)
}
