package form

import (
	"iter"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Key is the form of one raw key.
type Key struct {
	Key    string           `json:"key"`
	Value  *string          `json:"value"` // null: there are only keys below it
	Create cssetcd.Revision `json:"created_revision"`
	Mod    cssetcd.Revision `json:"modified_revision"`
}

// OfKey returns the form of a key.
func OfKey(key string, e cssetcd.Entry) Key {
	f := Key{Key: key, Create: e.Create, Mod: e.Mod}
	if e.Exists() {
		f.Value = &e.Value
	}
	return f
}

// OfKeys returns the forms of the keys below root, which come in byte order; it is not null in JSON. Without recursive
// it is the names directly below: those too that are no key themselves but have keys below them.
func OfKeys(keys iter.Seq2[string, cssetcd.Entry], root string, recursive bool) []Key {
	forms := []Key{}
	seen := map[string]bool{} // names directly below
	for key, e := range keys {
		name, _, deeper := strings.Cut(key[len(root)+1:], "/")
		switch {
		case !deeper || recursive:
			forms = append(forms, OfKey(key, e))
		case !seen[name]:
			forms = append(forms, Key{Key: root + "/" + name})
		}
		seen[name] = true
	}
	return forms
}

// Change is the form of one key that changed.
type Change struct {
	Revision cssetcd.Revision `json:"revision"`
	Key      string           `json:"key"`
	Old      *string          `json:"old"` // null: the key came into being
	New      *string          `json:"new"` // null: the key is gone
}

// OfChange returns the form of a change. Of a key that is gone only the revision is known up to which it went.
func OfChange(c cssetcd.KeyChange, upTo cssetcd.Revision) Change {
	f := Change{Revision: upTo, Key: c.Key}
	if c.Old.Exists() {
		f.Old = &c.Old.Value
	}
	if c.New.Exists() {
		f.New, f.Revision = &c.New.Value, c.New.Mod
	}
	return f
}

// Concerns reports whether a change of a key, as Key of a [Change] has it, is of root or of what lies below it. The
// empty chunks of a database go with its key.
func Concerns(key, root string) bool {
	if db, ok := csskey.EmptyAt(kv.Path(key)); ok {
		key = csskey.DatabaseKey(db)
	}
	return root == "" || key == root || strings.HasPrefix(key, root+"/")
}

// Result is the form of what a write did.
type Result struct {
	Revision cssetcd.Revision `json:"revision"` // 0: nothing was changed
	Changed  bool             `json:"changed"`
}

// OfRevision returns the form of a write that took effect at a revision, 0 for one that had nothing to do.
func OfRevision(rev cssetcd.Revision) Result { return Result{rev, rev != 0} }
