package history

import (
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// telling gathers what one revision changed.
type telling struct {
	objects map[csskey.Object]*object
	order   []*object
	beside  []string // what is beside the catalogue, and keys that are of no object
	parents []string // keys that only hold others: told when there is nothing else to tell
}

func (t *telling) take(d kv.Delta, want Wanted) {
	key, in := cssKey(d.Path)
	if !in {
		text, upkeep := besideText(d)
		if !upkeep || want.Upkeep {
			t.beside = append(t.beside, text)
		}
		return
	}
	k := csskey.Parse(key)
	switch {
	case of(d) == created && d.New.Value == "" && holdsOthers(k):
		t.parents = append(t.parents, keyText(key, d))
	case k.Kind != csskey.Other:
		o := t.objects[k.Object]
		if o == nil {
			o = &object{Object: k.Object}
			t.objects[k.Object] = o
			t.order = append(t.order, o)
		}
		o.take(k, d)
	default:
		t.beside = append(t.beside, keyText(key, d))
	}
}

// holdsOthers reports whether a key is there for those below it.
func holdsOthers(k csskey.Key) bool {
	return k.Kind == csskey.Other || k.Rest == "/TABLES" || k.Rest == "/CHUNKS"
}

// sentences say it. What comes or goes with a database is told with it.
func (t *telling) sentences() []string {
	var all []string
	for _, o := range t.order {
		if o.Kind == csskey.Table && t.told(o) {
			continue
		}
		tables := 0
		if o.Kind == csskey.Database && o.whole() != changed {
			for _, other := range t.order {
				if other.Kind == csskey.Table && other.DB == o.DB && t.told(other) {
					tables++
				}
			}
		}
		all = append(all, o.sentences(tables)...)
	}
	all = append(all, t.beside...)
	if len(all) == 0 {
		return t.parents
	}
	return all
}

// told reports whether a table came or went with its database.
func (t *telling) told(table *object) bool {
	db := t.objects[csskey.Object{Kind: csskey.Database, DB: table.DB}]
	return db != nil && db.whole() != changed && db.whole() == table.whole()
}

// besideText says what a change beside the catalogue means, and whether it is upkeep.
func besideText(d kv.Delta) (text string, upkeep bool) {
	if db, table, request, ok := csskey.Dropped(d.Path); ok {
		return dropText(db, table, request, of(d)), false
	}
	if db, ok := csskey.EmptyAt(d.Path); ok {
		before, after := values(d)
		return EmptyText(db, before, after), false
	}
	top, rest, _ := strings.Cut(string(d.Path), "/")
	name := cli.Cell(rest)
	three := func(made, written, gone string) string { return [...]string{written, made, gone}[of(d)] }
	switch kv.Path(top) {
	case csskey.Config:
		return "settings of drops " + three("made", "changed", "removed"), false
	case csskey.History:
		return "history of etcd " + three("named", "named anew", "left without a name"), false
	case csskey.Czars:
		return "czar " + name + three(" registered", " told that its registration ends", " no longer registered"), false
	case csskey.Imports:
		return "import or export of mirror " + name + three(" begun", " begun anew", " ended"), false
	case csskey.Inboxes:
		return "mirror " + name + three(": both sides write", ": decided on what others wrote", ": etcd alone is written"),
			false
	}
	return keyText(string(d.Path), d), isUpkeep(d.Path, top)
}

func isUpkeep(p kv.Path, top string) bool {
	switch kv.Path(top) {
	case csskey.Fold, csskey.Ref, csskey.Alive, csskey.Drops, csskey.Coordinators, csskey.Inventory, csskey.Publishers,
		kv.CommitPath, kv.FencePath, "mirror":
		return true
	}
	return p == csskey.LastPartitioning
}

func dropText(db, table string, request bool, what happened) string {
	name := db
	if table != "" {
		name += "." + table
	}
	name = cli.Cell(name)
	if request {
		return [...]string{"request to drop " + name + " changed", "drop of " + name + " requested for later",
			"request to drop " + name + " removed"}[what]
	}
	return [...]string{"drop of " + name + " went on", "drop of " + name + " begun", "drop of " + name + " ended"}[what]
}

// keyText says what became of a single key, with values that leave a line short.
func keyText(key string, d kv.Delta) string {
	quote := func(value string) string { return strconv.Quote(cli.Shorten(value)) }
	if of(d) == changed && !d.Old.Exists() { // etcd did not find it
		return "changed  " + cli.Cell(key) + " = " + quote(d.New.Value)
	}
	old, now := values(d)
	return KeyText(key, old, now, quote)
}

// values are those of a key before and after, nil where there is none.
func values(d kv.Delta) (old, now *string) {
	if d.Old.Exists() {
		old = &d.Old.Value
	}
	if d.New.Exists() {
		now = &d.New.Value
	}
	return old, now
}

// KeyText says what became of a single key: old is nil for one that came into being, and now for one that went.
func KeyText(key string, old, now *string, quote func(string) string) string {
	key = cli.Cell(key)
	switch {
	case now == nil:
		return "deleted  " + key
	case old == nil:
		return "created  " + key + " = " + quote(*now)
	}
	return "changed  " + key + " = " + quote(*now) + ", was " + quote(*old)
}
