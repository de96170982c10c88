package diff

import (
	"context"
	"errors"
	"iter"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Side is a catalogue to compare. Its JSON form is a contract of css-sync.
type Side struct {
	Source   string           `json:"source"`
	Revision cssetcd.Revision `json:"revision,omitempty"` // of etcd
	Keys     int              `json:"keys"`               // in it, as it is written
	// tables that no czar can query, or with names of chunks
	Unqueryable []Unqueryable `json:"unqueryable,omitempty"`

	pairs    []Pair
	ofMirror bool // it has the rows that a mirror adds
}

// Unqueryable is a table that no czar can query, or whose name is such as workers give to chunks of another.
type Unqueryable struct {
	Table  string `json:"table"`
	Reason string `json:"reason"`
}

func newSide(source string, pairs []Pair) Side {
	s := Side{Source: source, Keys: len(pairs), pairs: pairs}
	for name, err := range cssetcd.Unqueryable(all(pairs)) {
		s.Unqueryable = append(s.Unqueryable, Unqueryable{name.String(), err.Error()})
	}
	return s
}

// all yields pairs as a sequence.
func all(pairs []Pair) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, p := range pairs {
			if !yield(p.Key, p.Value) {
				return
			}
		}
	}
}

// Values yields the keys and values of a snapshot.
func Values(s *cssetcd.Snapshot) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for key, e := range s.Below("") {
			if !yield(key, e.Value) {
				return
			}
		}
	}
}

// OfDump is the side of a dump.
func OfDump(source string, d *cssetcd.Dump) Side {
	return newSide(source, Collect(d.Members(), d.Len()))
}

// OfSnapshot is the side of a catalogue in etcd, or on a file.
func OfSnapshot(source string, s *cssetcd.Snapshot) Side {
	side := newSide(source, Collect(s.Members(), s.Len()))
	side.Revision = s.Revision()
	return side
}

// OfMySQL reads the side of the rows of kvData, and of the tables of empty chunks.
func OfMySQL(ctx context.Context, target *mysql.Config) (Side, error) {
	// The state is not needed: kvData may be upstream's. But reading it tells what is wrong with a connection.
	if _, err := kvdata.ReadState(ctx, target); err != nil && !errors.Is(err, mirror.ErrNoMirror) {
		return Side{}, err
	}
	keys, err := readKvData(ctx, target)
	delete(keys, "") // the root
	if err == nil {
		err = readEmpty(ctx, target, keys)
	}
	side := newSide("mysql", byKey(keys))
	side.ofMirror = true
	return side, err
}

// Result is a comparison of two sides. Its JSON form is a contract of css-sync.
type Result struct {
	A           Side         `json:"a"`
	B           Side         `json:"b"`
	Meaning     bool         `json:"meaning"`
	Equal       bool         `json:"equal"`
	Differences []Difference `json:"differences"`
}

// Of compares two sides, with byMeaning what is read and not how it is written. Where one of them is of a mirror, what
// mirrors add is no difference.
func Of(a, b Side, byMeaning bool) Result {
	keysA, keysB := a.pairs, b.pairs
	if a.ofMirror {
		keysA = withoutUnknownSets(keysA, keysB)
	}
	if b.ofMirror {
		keysB = withoutUnknownSets(keysB, keysA)
	}
	for _, form := range []struct {
		wanted bool
		of     func(map[string]string) map[string]string
	}{{a.ofMirror || b.ofMirror, image}, {byMeaning, Meaning}} {
		if form.wanted {
			keysA, keysB = byKey(form.of(byName(keysA))), byKey(form.of(byName(keysB)))
		}
	}
	r := Result{A: a, B: b, Meaning: byMeaning, Differences: Compare(keysA, keysB)}
	r.Equal = len(r.Differences) == 0
	return r
}
