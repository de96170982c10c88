package inventory

import (
	"maps"
	"slices"
	"time"

	"github.com/qserv/css-etcd/internal/kv"
)

// said is the text of a worker's set of chunks by database. It is never changed.
type said map[string]string

// wrote is what a term wrote of a database, and the revision at which it did.
type wrote struct {
	text string
	at   kv.Revision // 0: somebody else wrote what is there, which need not be on the lease
}

// term is one time of publishing. It is a value: what is written next follows from it and from what is to be said.
type term struct {
	path   kv.Path          // below which a worker's sets are
	who    string           // text at path: who publishes
	proof  []kv.Guard       // without which nothing is written
	lease  int64            // on which all is written
	began  kv.Revision      // at which who was written; 0: it is not there
	has    map[string]wrote // what etcd says, by database; it is never changed
	at     kv.Revision      // of the last change
	unsure bool             // a write failed, or nothing was looked at yet: etcd may say something else
	looked time.Time        // when etcd was looked at last
}

// Bounds of a change, well within those of etcd.
const (
	maxText = 1 << 20 // of sets, in bytes; also of one set, as the empty chunks of a database have it
	maxOps  = 100
)

// next returns the next change that brings etcd closer to what is to be said; ok is false when etcd says it all.
func (t term) next(want said) (c kv.Change, ok bool) {
	c.Guards = t.proof
	if t.began == 0 {
		c.Puts = append(c.Puts, t.put(t.path, t.who))
	}
	for db := range t.has {
		if _, ok := want[db]; !ok && len(c.Puts)+len(c.Deletes) < maxOps {
			c.Deletes = append(c.Deletes, kv.Key(t.of(db)))
		}
	}
	size := 0
	for _, db := range slices.Sorted(maps.Keys(want)) {
		text := want[db]
		if have := t.has[db]; have.at != 0 && have.text == text {
			continue
		}
		if size += len(text); size > maxText || len(c.Puts)+len(c.Deletes) >= maxOps {
			break
		}
		c.Puts = append(c.Puts, t.put(t.of(db), text))
	}
	return c, c.Writes()
}

// after returns the term after a change that etcd made at a revision.
func (t term) after(c kv.Change, at kv.Revision) term {
	t.at, t.has = at, maps.Clone(t.has)
	if t.has == nil {
		t.has = map[string]wrote{}
	}
	for _, d := range c.Deletes {
		delete(t.has, t.db(d.From))
	}
	for _, p := range c.Puts {
		if p.Path == t.path {
			t.began = at
		} else {
			t.has[t.db(p.Path)] = wrote{p.Value, at}
		}
	}
	return t
}

// found returns the term that a look at etcd leads to. What is not as this term wrote it, somebody else wrote.
func (t term) found(s *kv.Snapshot) term {
	has := map[string]wrote{}
	for path, e := range s.Range(kv.Below(t.path)) {
		db := t.db(path)
		if have := t.has[db]; have.at == e.Mod {
			has[db] = have
		} else {
			has[db] = wrote{}
		}
	}
	if s.At(t.path).Mod != t.began {
		t.began = 0
	}
	t.has, t.unsure = has, false
	return t
}

func (t term) put(p kv.Path, text string) kv.Put { return kv.Put{Path: p, Value: text, Lease: t.lease} }

func (t term) of(db string) kv.Path { return t.path + "/" + kv.Path(db) }

func (t term) db(p kv.Path) string { return string(p[len(t.path)+1:]) }
