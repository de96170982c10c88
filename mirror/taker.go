package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/mirror/inbox"
)

// Inbox is the side of etcd of what others write into kvData; [Taker] is one.
type Inbox interface {
	// Taken returns what was decided on. Where it was put at revision 0, only etcd is written.
	Taken(ctx context.Context) (inbox.Taken, error)
	// Take carries a decision out, and returns what is decided on then.
	Take(ctx context.Context, d inbox.Decision) (inbox.Taken, error)
	// Queried reports whether any czar is registered, so that queries may be running.
	Queried(ctx context.Context) (bool, error)
}

var _ Inbox = (*Taker)(nil)

// Taker takes what others write into kvData into etcd. It is safe for concurrent use.
type Taker struct {
	store kv.Store // in the name of the catalogue's client
	mysql kv.Store // in the name of those who write into kvData
	name  string
}

// NewTaker returns the taker of a mirror's inbox; "" is [DefaultName]. It fails for a catalogue on a file.
func NewTaker(css *cssetcd.Client, name string) (*Taker, error) {
	if name == "" {
		name = DefaultName
	}
	if css.Etcd() == nil {
		return nil, fmt.Errorf("mirror: %w: nobody mirrors a catalogue on a file", cssetcd.ErrInvalid)
	}
	store, err := kv.Of(css)
	if err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	return &Taker{store: store, mysql: store.By(foreignAuthor(name)), name: name}, nil
}

// foreignAuthor is who wrote what the inbox has, as far as etcd is told. Which account that was, only MySQL knows.
func foreignAuthor(mirror string) string { return "mysql (mirror " + mirror + ")" }

// Taken implements [Inbox]. It fails with [ErrImporting] or [ErrExporting] where that has not ended.
func (t *Taker) Taken(ctx context.Context) (inbox.Taken, error) {
	mode, taken, err := t.mode(ctx)
	if err == nil {
		err = mode.Unfinished
	}
	return taken, err
}

// Take implements [Inbox]. It fails as [inbox.Decision.Change] does, with nothing changed.
func (t *Taker) Take(ctx context.Context, d inbox.Decision) (next inbox.Taken, err error) {
	next.At, err = runOn(ctx, t.mysql, kv.Op{
		Name: "take what others wrote into kvData", Reads: d.Reads(),
		Plan: func(have *kv.Snapshot) (c kv.Change, err error) {
			c, next, err = d.Change(have)
			return c, err
		},
	})
	return next, err
}

// Queried implements [Inbox].
func (t *Taker) Queried(ctx context.Context) (bool, error) {
	have, err := t.store.Fetch(ctx, 0, kv.Below(csskey.Czars))
	if err != nil {
		return false, fmt.Errorf("look for czars: %w", err)
	}
	return !have.Empty(kv.Below(csskey.Czars)), nil
}

// Begin makes etcd say that both sides write. It does nothing where etcd says so already.
func (t *Taker) Begin(ctx context.Context) error {
	path := inbox.Path(t.name)
	_, err := t.run(ctx, kv.Op{
		Name: "let both sides write", Reads: []kv.Span{kv.Key(path)},
		Plan: func(have *kv.Snapshot) (c kv.Change, err error) {
			if !have.At(path).Exists() {
				c.Puts = []kv.Put{{Path: path, Value: inbox.Taken{}.Format()}}
			}
			return c, nil
		},
	})
	return err
}

// End makes etcd say that only etcd is written. It does nothing where etcd says so already.
func (t *Taker) End(ctx context.Context) error {
	path := inbox.Path(t.name)
	_, err := t.run(ctx, kv.Op{
		Name: "let only etcd be written", Reads: []kv.Span{kv.Key(path)},
		Plan: func(have *kv.Snapshot) (c kv.Change, err error) {
			if have.At(path).Exists() {
				c.Deletes = []kv.Span{kv.Key(path)}
			}
			return c, nil
		},
	})
	return err
}

func (t *Taker) run(ctx context.Context, op kv.Op) (kv.Revision, error) {
	return runOn(ctx, t.store, op)
}

func runOn(ctx context.Context, store kv.Store, op kv.Op) (kv.Revision, error) {
	at, err := kv.Run(ctx, store, op)
	if err != nil && !errors.Is(err, inbox.ErrDecided) {
		err = fmt.Errorf("%s: %w", op.Name, err)
	}
	return at, err
}
