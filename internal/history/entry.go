// Package history tells from etcd's own history who changed what in a catalogue: what each revision changed, in a few
// words, and what its writer said of itself.
package history

import (
	"strings"
	"time"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Entry is what one revision changed, and by whom.
type Entry struct {
	Revision kv.Revision
	// Signed: it was written by the library, which says of itself what follows. Otherwise Author is what the keys give
	// away, and "" where they do not.
	Signed    bool
	Author    string
	Time      time.Time // by the clock of the author; zero: not told
	Operation string
	Changes   []string // in words
}

// Wanted says which changes are of interest.
type Wanted struct {
	DB, Table string // of this database and all that is in it, or of this table; "": of all
	// Upkeep wants also what keeps czars, drops and mirrors going, and what is kept beside names.
	Upkeep bool
}

// Of returns what a revision changed of what is wanted. ok is false where it changed nothing of that.
func Of(at kv.Revision, deltas []kv.Delta, want Wanted) (e Entry, ok bool) {
	e = Entry{Revision: at, Author: guess(deltas)}
	t := telling{objects: map[csskey.Object]*object{}}
	for _, d := range deltas {
		switch {
		case d.Path == kv.CommitPath && d.New.Exists():
			c := kv.ParseCommit(d.New.Value)
			e.Signed, e.Author, e.Time, e.Operation = true, c.Author, c.Time, c.Name
		case want.has(d.Path):
			t.take(d, want)
		}
	}
	e.Changes = t.sentences()
	return e, len(e.Changes) > 0
}

// has reports whether a change of what is at a path is wanted, but for upkeep.
func (w Wanted) has(p kv.Path) bool {
	if w.DB == "" {
		return true
	}
	if db, ok := csskey.EmptyAt(p); ok {
		return db == w.DB && w.Table == ""
	}
	db, table, _, ok := csskey.Dropped(p)
	if key, in := cssKey(p); in {
		k := csskey.Parse(key)
		ok, db = k.Kind >= csskey.Database, k.DB
		if k.Kind == csskey.Table {
			table = k.Name
		}
	}
	return ok && db == w.DB && (w.Table == "" || table == w.Table)
}

// guess returns who wrote what carries no commit, as far as the keys tell it: some keys are only written so by czars
// and coordinators.
func guess(deltas []kv.Delta) string {
	for _, d := range deltas {
		if _, _, _, ok := csskey.Dropped(d.Path); ok {
			return "coordinator"
		}
	}
	for _, d := range deltas {
		for _, root := range []kv.Path{csskey.Czars, csskey.Alive} {
			if id, ok := strings.CutPrefix(string(d.Path), string(root)+"/"); ok {
				return "czar " + id
			}
		}
		if kv.Below("mirror").Contains(d.Path) {
			return "mirror"
		}
		for _, root := range []kv.Path{csskey.Inventory, csskey.Publishers} {
			if rest, ok := strings.CutPrefix(string(d.Path), string(root)+"/"); ok {
				worker, _, _ := strings.Cut(rest, "/")
				return "worker " + worker
			}
		}
		if kv.Below(csskey.Coordinators).Contains(d.Path) {
			return "coordinator"
		}
	}
	return ""
}

// cssKey returns the CSS key at a path; ok is false for what is beside the catalogue.
func cssKey(p kv.Path) (key string, ok bool) {
	key, ok = strings.CutPrefix(string(p), string(csskey.CSS))
	return key, ok && strings.HasPrefix(key, "/")
}
