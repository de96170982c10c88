package mirror

import (
	"context"
	"fmt"
	"strconv"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/mirror/inbox"
)

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
			if have.At(inbox.Path(t.name)).Exists() {
				return kv.Change{}, ErrImported
			}
			if other, err := strconv.ParseInt(e.Value, 10, 64); err == nil && other >= term {
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
