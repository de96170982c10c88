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
	store kv.Store
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
	store, err := kv.NewEtcd(css.Etcd(), css.Prefix())
	if err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	return &Taker{store, name}, nil
}

// Shared returns the names of the mirrors of a catalogue that take what others write, as etcd says.
func Shared(ctx context.Context, css *cssetcd.Client) (map[string]bool, error) {
	t, err := NewTaker(css, "")
	if err != nil {
		return nil, err
	}
	have, err := t.store.Fetch(ctx, 0, kv.Below(csskey.Inboxes))
	if err != nil {
		return nil, fmt.Errorf("read which mirrors take what others write: %w", err)
	}
	names := map[string]bool{}
	for path := range have.Range(kv.Below(csskey.Inboxes)) {
		names[string(path[len(csskey.Inboxes)+1:])] = true
	}
	return names, nil
}

// Taken implements [Inbox].
func (t *Taker) Taken(ctx context.Context) (inbox.Taken, error) {
	have, err := t.store.Fetch(ctx, 0, kv.Key(inbox.Path(t.name)))
	if err != nil {
		return inbox.Taken{}, fmt.Errorf("read what was taken of kvData's inbox: %w", err)
	}
	return inbox.Parse(have.At(inbox.Path(t.name)))
}

// Take implements [Inbox]. It fails as [inbox.Decision.Change] does, with nothing changed.
func (t *Taker) Take(ctx context.Context, d inbox.Decision) (next inbox.Taken, err error) {
	next.At, err = t.run(ctx, kv.Op{
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
	return t.end(ctx, "let only etcd be written", func(kv.Entry) error { return nil })
}

// endAt is End, where nothing was decided on since; else it fails with inbox.ErrDecided.
func (t *Taker) endAt(ctx context.Context, taken inbox.Taken) error {
	return t.end(ctx, "let only kvData be written", func(e kv.Entry) error {
		if e.Mod != taken.At {
			return inbox.ErrDecided
		}
		return nil
	})
}

func (t *Taker) end(ctx context.Context, name string, permits func(kv.Entry) error) error {
	path := inbox.Path(t.name)
	_, err := t.run(ctx, kv.Op{
		Name: name, Reads: []kv.Span{kv.Key(path)},
		Plan: func(have *kv.Snapshot) (c kv.Change, err error) {
			e := have.At(path)
			if err := permits(e); err != nil {
				return c, err
			}
			if e.Exists() {
				c.Deletes = []kv.Span{kv.Key(path)}
			}
			return c, nil
		},
	})
	return err
}

func (t *Taker) run(ctx context.Context, op kv.Op) (kv.Revision, error) {
	at, err := kv.Run(ctx, t.store, op)
	if err != nil && !errors.Is(err, inbox.ErrDecided) {
		err = fmt.Errorf("%s: %w", op.Name, err)
	}
	return at, err
}
