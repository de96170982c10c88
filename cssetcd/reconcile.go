package cssetcd

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/qserv/css-etcd/internal/kv"
)

// NamesResult says what ReconcileNames found and did. The numbers count the names of databases, tables and nodes.
type NamesResult struct {
	Recorded int // names that had no record of their spelling, or that of another
	Removed  int // records of names that are gone
	Clashes  []NameClash
}

// NameClash is two keys of databases, tables or nodes that differ in upper and lower case only. A table does not count
// as one when it is its database that clashes.
type NameClash struct {
	Kept  string // the older one, whose spelling is on record: no third one can be created beside it
	Other string // kvData cannot show it beside the other
}

// ReconcileNames makes the records of spellings agree with the names that are there, so that names that were made or
// removed past this library, by etcdctl, are protected against others that differ in case only. Names is where to look
// for them, as a View shows it: it may be a little old, because what is found there is looked at again in the
// transactions that mend it, some fifteen names each. Each is guarded like an operation: a creation or a drop that
// comes between is seen and wins, several processes may do this at the same time, and when it ends early, running it
// again does the rest. It returns ErrVersionMissing and ErrVersionMismatch as the other operations do, and with any
// error what was done until then.
func (c *Client) ReconcileNames(ctx context.Context, names *Snapshot) (NamesResult, error) {
	var result NamesResult
	if err := names.Version(); err != nil {
		return result, &Error{Op: "reconcile names", Err: err}
	}
	records, _, err := c.load(ctx, 0, kv.Below(foldRoot))
	if err != nil {
		return result, &Error{Op: "reconcile names", Err: err}
	}
	spelled := spellingsOf(names.kv)
	result.Clashes = clashes(spelled)
	for part := range together(suspects(records, spelled)) {
		var done kv.Change
		mend := operation{name: "reconcile names"}.as(kv.Op{Reads: readsOf(part),
			Plan: func(have *kv.Snapshot) (kv.Change, error) {
				var err error
				done, err = mended(have, part)
				return done, err
			}})
		if _, err := c.do(ctx, mend); err != nil {
			return result, err
		}
		result.Recorded += len(done.Puts)
		result.Removed += len(done.Deletes)
	}
	return result, nil
}

// spelling is where a spelling is kept, with the name keys that might be on record there.
type spelling struct {
	record kv.Path
	keys   []string
}

// spellingsOf returns the name keys that are there, by where their spelling is kept, the oldest first.
func spellingsOf(have *kv.Snapshot) map[kv.Path][]string {
	all := map[kv.Path][]string{}
	add := func(key string) {
		if isNameKey(key) && have.At(cssPath(key)).Exists() {
			all[foldPath(key)] = append(all[foldPath(key)], key)
		}
	}
	for name := range children(have, nodesKey) {
		add(nodeKey(name))
	}
	for db := range children(have, dbsKey) {
		add(dbKey(db))
		for table := range children(have, tablesKey(db)) {
			add(TableName{db, table}.key())
		}
	}
	for _, keys := range all {
		slices.SortFunc(keys, func(a, b string) int { return older(have, a, b) })
	}
	return all
}

// older compares two keys that are there by their age.
func older(have *kv.Snapshot, a, b string) int {
	return cmp.Or(cmp.Compare(have.At(cssPath(a)).Create, have.At(cssPath(b)).Create), cmp.Compare(a, b))
}

func clashes(spelled map[kv.Path][]string) []NameClash {
	var all []NameClash
	for _, record := range slices.Sorted(maps.Keys(spelled)) {
		for _, other := range spelled[record][1:] {
			if kept := spelled[record][0]; parentKey(kept) == parentKey(other) {
				all = append(all, NameClash{kept, other})
			}
		}
	}
	return all
}

// suspects returns the spellings whose record is missing, is another one's, or is that of a name that is gone.
func suspects(records *kv.Snapshot, spelled map[kv.Path][]string) []spelling {
	var all []spelling
	for _, record := range slices.Sorted(maps.Keys(spelled)) {
		if keys := spelled[record]; records.At(record).Value != keys[0] {
			all = append(all, spelling{record, keys[:min(len(keys), spellingKeys)]})
		}
	}
	for record := range records.Range(kv.Below(foldRoot)) {
		if len(spelled[record]) == 0 {
			all = append(all, spelling{record, nil})
		}
	}
	return all
}

// The keys that one transaction looks at stay well below etcd's limit of 128. Of names that differ in case only, the
// oldest few stand for all.
const (
	spellingReads = 80
	spellingKeys  = 5
)

// together cuts a list into parts for one transaction each.
func together(all []spelling) iter.Seq[[]spelling] {
	return func(yield func([]spelling) bool) {
		for len(all) > 0 {
			n, cost := 0, 0
			for n < len(all) && cost < spellingReads {
				cost += 4 + len(all[n].keys) // the record, and perhaps one more key with two intents
				n++
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

func readsOf(part []spelling) []kv.Span {
	var all []kv.Span
	for _, s := range part {
		all = append(all, kv.Key(s.record))
		all = append(all, keys(s.keys...)...)
	}
	return all
}

// mended plans what makes records right, by what is there now.
func mended(have *kv.Snapshot, part []spelling) (kv.Change, error) {
	var change kv.Change
	var need kv.Need
	for _, s := range part {
		names, pending := s.candidates(have)
		for _, span := range slices.Concat(keys(names...), pending) {
			if !have.Shows(span) {
				need = append(need, span)
			}
		}
		if len(need) > 0 {
			continue
		}
		s.mend(have, names, pending, &change)
	}
	if len(need) > 0 {
		return kv.Change{}, need
	}
	return change, nil
}

// candidates returns the keys that may belong on record, and the intents to drop that keep a record although its key is
// gone.
func (s spelling) candidates(have *kv.Snapshot) (names []string, pending []kv.Span) {
	onRecord := have.At(s.record).Value
	if !isNameKey(onRecord) || foldPath(onRecord) != s.record {
		return s.keys, nil // it names nothing
	}
	for _, intent := range intents(onRecord) {
		pending = append(pending, kv.Key(intent))
	}
	if slices.Contains(s.keys, onRecord) {
		return s.keys, pending
	}
	return append(slices.Clone(s.keys), onRecord), pending
}

func (s spelling) mend(have *kv.Snapshot, names []string, pending []kv.Span, change *kv.Change) {
	there := slices.DeleteFunc(slices.Clone(names), func(key string) bool { return !have.At(cssPath(key)).Exists() })
	record := have.At(s.record)
	if len(there) > 0 {
		if oldest := slices.MinFunc(there, func(a, b string) int { return older(have, a, b) }); record.Value != oldest {
			change.Puts = append(change.Puts, kv.Put{Path: s.record, Value: oldest})
		}
		return
	}
	isPending := slices.ContainsFunc(pending, func(intent kv.Span) bool { return have.At(intent.From).Exists() })
	if record.Exists() && !isPending {
		change.Deletes = append(change.Deletes, kv.Key(s.record))
	}
}
