package cssetcd

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// CheckQueryable says why no czar can query a table, as ErrUnqueryable, or returns nil. It returns ErrNoSuchTable, too.
// The read is of one revision, and of no chunks.
func (c *Client) CheckQueryable(ctx context.Context, n TableName) error {
	_, err := read(ctx, c, "check table", n.String(), tableSpans(n), func(have *kv.Snapshot) (struct{}, error) {
		t, err := decodeTable(have, n)
		if err == nil {
			err = checkQueryable(have, t)
		}
		return struct{}{}, err
	})
	return err
}

// Unqueryable yields the tables of a catalogue that no czar can query, as ErrUnqueryable, and those whose names are
// such as workers give to the chunks of another table, as ErrInvalidName. A table that cannot be decoded is left out.
// Keys yields the CSS keys and values of the whole catalogue; those of chunks do not matter.
func Unqueryable(keys iter.Seq2[string, string]) iter.Seq2[TableName, error] {
	return func(yield func(TableName, error) bool) {
		b := kv.NewSnapshot(0, kv.Everything).Edit()
		for key, value := range keys {
			if k := csskey.Parse(key); k.DB != "" && !k.InChunks() {
				b.Put(cssPath(key), kv.Entry{Value: value, Mod: 1})
			}
		}
		have := b.Snapshot(1)
		for db := range existing(have, dbsKey) {
			for n, err := range unqueryableOf(have, db) {
				if !yield(n, err) {
					return
				}
			}
		}
	}
}

func unqueryableOf(have *kv.Snapshot, db string) iter.Seq2[TableName, error] {
	return func(yield func(TableName, error) bool) {
		spelled := map[string][]TableName{} // by the name that MariaDB takes them for
		for name := range existing(have, tablesKey(db)) {
			lower := strings.ToLower(name)
			spelled[lower] = append(spelled[lower], TableName{db, name})
		}
		for name := range existing(have, tablesKey(db)) {
			n := TableName{db, name}
			if t, err := decodeTable(have, n); err == nil {
				if err := checkQueryable(have, t); err != nil && !yield(n, err) {
					return
				}
			}
			for _, base := range tablesWithChunk(name) {
				for _, other := range spelled[strings.ToLower(base)] {
					if isPartitioned(have, other) && !yield(n, chunkNameFault(n, other)) {
						return
					}
				}
			}
		}
	}
}

func (t *Table) relation() Relation {
	return Relation{Name: t.Name, Status: t.Status, Partitioning: t.Partitioning, Match: t.Match}
}

// tieFields are what the rule looks at in a director.
var tieFields = []string{"dirDb", "dirTable", "dirColName", "latColName", "lonColName", "subChunks"}

// neighbourReads are what neighboursOf reads. What it goes by is declared key by key, and with that guarded.
func neighbourReads(r Relation) []kv.Span {
	if r.Partitioning == nil && r.Match == nil {
		return nil
	}
	all := recordSpans(dbKey(r.Name.DB), []string{"partitioningId"})
	for _, table := range r.directors() {
		if n := (TableName{r.Name.DB, table}); n.checkParts() == nil {
			all = append(all, kv.Key(cssPath(n.key())), kv.Below(cssPath(n.partKey())), kv.Below(cssPath(n.matchKey())))
			all = append(all, recordSpans(n.partKey(), tieFields)...)
			all = append(all, recordSpans(n.matchKey(), []string{"dirTable1"})...)
		}
	}
	return all
}

func neighboursOf(have *kv.Snapshot, r Relation) (neighbours, error) {
	if err := mustShow(have, neighbourReads(r)); err != nil || r.Partitioning == nil && r.Match == nil {
		return neighbours{}, err
	}
	db := readRecord(have, dbKey(r.Name.DB))
	in := neighbours{striped: db.text("partitioningId") != "", tables: map[string]Relation{}}
	if db.err != nil {
		return in, fmt.Errorf("%w: its database cannot be read: %w", ErrUnqueryable, db.err)
	}
	for _, table := range r.directors() {
		n := TableName{r.Name.DB, table}
		if n.checkParts() != nil || !have.At(cssPath(n.key())).Exists() {
			continue
		}
		director, err := decodeRelation(have, n)
		if err != nil {
			return in, fmt.Errorf("%w: its director %s cannot be read: %w", ErrUnqueryable, n, err)
		}
		in.tables[table] = director
	}
	return in, nil
}

func checkQueryable(have *kv.Snapshot, t *Table) error {
	in, err := neighboursOf(have, t.relation())
	if err != nil {
		return err
	}
	return queryable(t, in)
}

// mustShow asks for what a plan must see and does not.
func mustShow(have *kv.Snapshot, need []kv.Span) error {
	if slices.ContainsFunc(need, func(s kv.Span) bool { return !have.Shows(s) }) {
		return kv.Need(need)
	}
	return nil
}

// beforeTheirs orders tables so that directors come before those that name them.
func beforeTheirs(tables []Table) []Table {
	sorted := slices.Clone(tables)
	slices.SortStableFunc(sorted, func(a, b Table) int {
		return len(a.relation().directors()) - len(b.relation().directors())
	})
	return sorted
}

// unqueryableAmong says which of the tables that are to be created together in a database no czar can query. A director
// that is not among them may be there already: the creation looks.
func unqueryableAmong(tables []Table, striped bool, opts []WriteOption) []error {
	faults := make([]error, len(tables))
	if len(opts) > 0 { // the only one is AllowUnqueryable
		return faults
	}
	in := neighbours{striped: striped, tables: map[string]Relation{}}
	for _, t := range tables {
		in.tables[t.Name.Table] = t.relation()
	}
	for i, t := range tables {
		t = asStored(t)
		known := func(name string) bool { _, ok := in.tables[name]; return ok || strings.Contains(name, ".") }
		if !slices.ContainsFunc(t.relation().directors(), func(name string) bool { return !known(name) }) {
			faults[i] = queryable(&t, in)
		}
	}
	return faults
}
