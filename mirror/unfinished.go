package mirror

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/mirror/inbox"
)

// What was begun and has not ended, or was interrupted. Until it is run again no mirror writes to kvData: a part of a
// catalogue would take the place of a whole one.
var (
	ErrImporting = errors.New("an import of kvData has not ended")
	ErrExporting = errors.New("kvData is being left to those who write into MySQL, and that has not ended")
)

// Mode is how a mirror's catalogue is written, as etcd says.
type Mode struct {
	Shared     bool  // both sides write; else only etcd is written, or kvData was left
	Unfinished error // ErrImporting, ErrExporting, or nil
}

// exporting is what stands in the place of an import's term while kvData is being left.
const exporting = "export"

// unfinished returns what a value there says.
func unfinished(e kv.Entry) error {
	switch {
	case !e.Exists():
		return nil
	case e.Value == exporting:
		return ErrExporting
	}
	return ErrImporting
}

// Modes returns the mode of each mirror of which etcd knows one other than the usual.
func Modes(ctx context.Context, css *cssetcd.Client) (map[string]Mode, error) {
	t, err := NewTaker(css, "")
	if err != nil {
		return nil, err
	}
	have, err := t.store.Fetch(ctx, 0, kv.Below(csskey.Inboxes), kv.Below(csskey.Imports))
	if err != nil {
		return nil, fmt.Errorf("read who may write: %w", err)
	}
	modes := map[string]Mode{}
	for path := range have.Range(kv.Below(csskey.Inboxes)) {
		modes[string(path[len(csskey.Inboxes)+1:])] = Mode{Shared: true}
	}
	for path, e := range have.Range(kv.Below(csskey.Imports)) {
		name := string(path[len(csskey.Imports)+1:])
		modes[name] = Mode{modes[name].Shared, unfinished(e)}
	}
	return modes, nil
}

// mode returns how the catalogue is written, and what was decided on.
func (t *Taker) mode(ctx context.Context) (m Mode, taken inbox.Taken, err error) {
	path, other := inbox.Path(t.name), importPath(t.name)
	have, err := t.store.Fetch(ctx, 0, kv.Key(path), kv.Key(other))
	if err != nil {
		return m, taken, fmt.Errorf("read what was taken of kvData's inbox: %w", err)
	}
	taken, err = inbox.Parse(have.At(path))
	return Mode{taken.At > 0, unfinished(have.At(other))}, taken, err
}

// importPath is where the term of an import stands while it has not ended.
func importPath(mirror string) kv.Path { return csskey.Imports + "/" + kv.Path(mirror) }

// claim makes this import the one that writes to etcd: its term stands there, and only rises. It returns at which
// revision it does, and whether another import had not ended.
func (t *Taker) claim(ctx context.Context, term int64) (at cssetcd.Revision, interrupted bool, err error) {
	path := importPath(t.name)
	at, err = t.run(ctx, kv.Op{
		Name: "begin an import of kvData", Reads: []kv.Span{kv.Key(path), kv.Key(inbox.Path(t.name))},
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			e := have.At(path)
			switch other, err := strconv.ParseInt(e.Value, 10, 64); {
			case have.At(inbox.Path(t.name)).Exists():
				return kv.Change{}, ErrImported
			case e.Value == exporting:
				return kv.Change{}, ErrExporting
			case err == nil && other >= term:
				return kv.Change{}, fmt.Errorf("%w: another import has the term %d, and this one %d", ErrFenced, other, term)
			}
			interrupted = e.Exists()
			return kv.Change{Puts: []kv.Put{{Path: path, Value: strconv.FormatInt(term, 10)}}}, nil
		},
	})
	return at, interrupted, err
}

// imported ends an import: both sides write from now on.
func (t *Taker) imported(ctx context.Context, claim cssetcd.Revision) error {
	return t.endImport(ctx, claim, []kv.Put{{Path: inbox.Path(t.name), Value: inbox.Taken{}.Format()}})
}

// unclaim ends an import that has changed nothing.
func (t *Taker) unclaim(ctx context.Context, claim cssetcd.Revision) error {
	return t.endImport(ctx, claim, nil)
}

func (t *Taker) endImport(ctx context.Context, claim cssetcd.Revision, puts []kv.Put) error {
	path := importPath(t.name)
	_, err := t.run(ctx, kv.Op{
		Name: "end the import of kvData", Reads: []kv.Span{kv.Key(path), kv.Key(inbox.Path(t.name))},
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if have.At(path).Mod != claim {
				return kv.Change{}, cssetcd.ErrOvertaken
			}
			return kv.Change{Puts: puts, Deletes: []kv.Span{kv.Key(path)}}, nil
		},
	})
	return err
}

// leave ends that what others write is taken, and begins that kvData is left, unless something was decided on since;
// then it fails with inbox.ErrDecided. An import that has not ended is given up.
func (t *Taker) leave(ctx context.Context, taken inbox.Taken) error {
	path, mark := inbox.Path(t.name), importPath(t.name)
	_, err := t.run(ctx, kv.Op{
		Name: "let only kvData be written", Reads: []kv.Span{kv.Key(path), kv.Key(mark)},
		Plan: func(have *kv.Snapshot) (c kv.Change, err error) {
			if have.At(path).Mod != taken.At {
				return c, inbox.ErrDecided
			}
			if have.At(path).Exists() {
				c.Deletes = []kv.Span{kv.Key(path)}
			}
			c.Puts = []kv.Put{{Path: mark, Value: exporting}}
			return c, nil
		},
	})
	return err
}

// left ends that kvData is being left. It does nothing where it is not.
func (t *Taker) left(ctx context.Context) error {
	mark := importPath(t.name)
	_, err := t.run(ctx, kv.Op{
		Name: "end leaving kvData", Reads: []kv.Span{kv.Key(mark)},
		Plan: func(have *kv.Snapshot) (c kv.Change, err error) {
			if have.At(mark).Value == exporting {
				c.Deletes = []kv.Span{kv.Key(mark)}
			}
			return c, nil
		},
	})
	return err
}
