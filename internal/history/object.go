package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// happened is what became of a key.
type happened int

const (
	changed happened = iota
	created
	removed
)

// of returns what became of a key. Where etcd did not find the old value, it tells that there was one.
func of(d kv.Delta) happened {
	switch {
	case !d.New.Exists():
		return removed
	case !d.Old.Exists() && d.New.Create == d.New.Mod:
		return created
	}
	return changed
}

// object is what one revision did to a table, database, node or partitioning.
type object struct {
	csskey.Object
	name   *kv.Delta // of its own key; nil: not written
	parts  []string  // what else of it was written, in order
	raw    []string  // its keys that have no word of their own
	chunks map[string]happened
}

// take takes in the change of one of the object's keys.
func (o *object) take(k csskey.Key, d kv.Delta) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(k.Rest, "/"), "/")
	switch word := o.words()[first]; {
	case k.Rest == "":
		o.name = &d
	case k.InChunks() && rest != "":
		id, below, _ := strings.Cut(strings.TrimPrefix(k.Rest, "/CHUNKS/"), "/")
		if below != "" && o.chunks[id] != changed {
			return // the key of the chunk tells
		}
		o.chunk(id, below, d)
	case word != "" && (rest == "" || first != "schema"):
		o.part(word)
	default:
		o.raw = append(o.raw, keyText(k.String(), d))
	}
}

func (o *object) chunk(id, below string, d kv.Delta) {
	if o.chunks == nil {
		o.chunks = map[string]happened{}
	}
	if below == "" {
		o.chunks[id] = of(d)
	} else {
		o.chunks[id] = changed
	}
}

func (o *object) part(word string) {
	if !slices.Contains(o.parts, word) {
		o.parts = append(o.parts, word)
	}
}

var (
	tableWords = map[string]string{"schema": "schema", "partitioning": "partitioning", "match": "match parameters",
		"sharedScan": "shared scan", csskey.PackedName: "properties"}
	otherWords = map[string]string{csskey.PackedName: "properties"}
)

func (o *object) words() map[string]string {
	if o.Kind == csskey.Table {
		return tableWords
	}
	return otherWords
}

// title names the object: "table lsst.Object".
func (o *object) title() string {
	switch o.Kind {
	case csskey.Table:
		return "table " + o.short()
	case csskey.Database:
		return "database " + o.short()
	case csskey.Node:
		return "node " + o.short()
	}
	return "partitioning " + o.short()
}

func (o *object) short() string {
	switch o.Kind {
	case csskey.Table:
		return cli.Cell(o.DB + "." + o.Name)
	case csskey.Database:
		return cli.Cell(o.DB)
	case csskey.Partitioning:
		return cli.Cell(strings.TrimLeft(o.Name, "_0"))
	}
	return cli.Cell(o.Name)
}

// whole returns whether the object came into being or went.
func (o *object) whole() happened {
	if o.name == nil {
		return changed
	}
	return of(*o.name)
}

// sentences say what was done to the object, given how many tables came into being or went with it.
func (o *object) sentences(tables int) []string {
	switch with := o.with(tables); o.whole() {
	case created:
		status := ""
		if v := o.name.New.Value; v != "" && v != "READY" && v != "ACTIVE" {
			status = ", " + cli.Cell(cli.Shorten(v))
		}
		return []string{o.title() + " created" + status + with}
	case removed:
		return []string{o.title() + " removed" + with}
	}
	var all []string
	if o.name != nil {
		all = append(all, o.status())
	}
	for _, part := range o.parts {
		all = append(all, part+" of "+o.title()+" changed")
	}
	for _, what := range []struct {
		happened
		text string
	}{{created, "%s of %s added"}, {removed, "%s of %s removed"}, {changed, "places of %s of %s changed"}} {
		if n := o.count(what.happened); n > 0 {
			all = append(all, fmt.Sprintf(what.text, cli.Count(n, "chunk"), o.short()))
		}
	}
	return append(all, o.raw...)
}

func (o *object) status() string {
	word := "status"
	if o.Kind == csskey.Node {
		word = "state"
	}
	old, now := o.name.Old, cli.Cell(cli.Shorten(o.name.New.Value))
	switch {
	case !old.Exists():
		return fmt.Sprintf("%s of %s: %s", word, o.title(), now)
	case old.Value == o.name.New.Value:
		return fmt.Sprintf("%s of %s written again: %s", word, o.title(), now)
	}
	return fmt.Sprintf("%s of %s: %s -> %s", word, o.title(), cli.Cell(cli.Shorten(old.Value)), now)
}

// with tells what came or went with the object.
func (o *object) with(tables int) string {
	var parts []string
	if tables > 0 {
		parts = append(parts, cli.Count(tables, "table"))
	}
	if n := len(o.chunks); n > 0 {
		parts = append(parts, cli.Count(n, "chunk"))
	}
	if len(parts) == 0 {
		return ""
	}
	return ", with " + strings.Join(parts, " and ")
}

func (o *object) count(what happened) (n int) {
	for _, h := range o.chunks {
		if h == what {
			n++
		}
	}
	return n
}
