package inventory

import (
	"maps"
	"slices"

	"github.com/qserv/css-etcd/internal/kv"
)

// said is the text of a worker's set of chunks by database. It is never changed.
type said map[string]string

// term is one time of publishing. It is a value: what is written next follows from it and from what is to be said.
type term struct {
	path  kv.Path     // below which a worker's sets are
	who   string      // text at path: who publishes
	proof []kv.Guard  // without which nothing is written
	lease int64       // on which all is written
	began bool        // the first change is written
	has   said        // what etcd says
	at    kv.Revision // of the last change
	// unsure: etcd may say something else. A write failed, or it is time to look whether somebody has meddled.
	unsure bool
}

// Bounds of a change, well within those of etcd.
const (
	maxText = 1 << 20 // of sets, in bytes; also of one set, as the empty chunks of a database have it
	maxOps  = 100
)

// next returns the next change that brings etcd closer to what is to be said, and the term after it. ok is false when
// etcd says it all.
func (t term) next(want said) (c kv.Change, after term, ok bool) {
	c.Guards, after = t.proof, t
	if !t.began { // what is there is of another time, and on another lease
		c.Deletes, c.Puts = []kv.Span{kv.Below(t.path)}, []kv.Put{t.put(t.path, t.who)}
		after.began, after.has = true, said{}
		return c, after, true
	}
	after.has = maps.Clone(t.has)
	for db := range t.has {
		if _, ok := want[db]; !ok && len(c.Deletes) < maxOps {
			c.Deletes = append(c.Deletes, kv.Key(t.of(db)))
			delete(after.has, db)
		}
	}
	size := 0
	for _, db := range slices.Sorted(maps.Keys(want)) {
		text := want[db]
		if have, there := t.has[db]; there && have == text {
			continue
		}
		if size += len(text); size > maxText || len(c.Puts)+len(c.Deletes) >= maxOps {
			break
		}
		c.Puts = append(c.Puts, t.put(t.of(db), text))
		after.has[db] = text
	}
	return c, after, c.Writes()
}

func (t term) put(p kv.Path, text string) kv.Put { return kv.Put{Path: p, Value: text, Lease: t.lease} }

func (t term) of(db string) kv.Path { return t.path + "/" + kv.Path(db) }
