package cssetcd

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// Most keys of a catalogue are of chunks. What asks for names, or for tables, reads around them: the records of
// spellings say which tables there are, and with that which ranges to leave out. A table that was made past this
// library has no record, and costs the read of its chunks.

// DatabaseListing is a database with the names of its tables, in byte order, all of one revision.
type DatabaseListing struct {
	*Database
	Tables []string
}

// Databases reads all databases with the names of their tables, in byte order, at one revision. It costs what names
// cost, however many chunks there are. A database that cannot be decoded comes as nil with an error that names the key
// at fault, and the others follow.
func (c *Client) Databases(ctx context.Context) (iter.Seq2[DatabaseListing, error], error) {
	have, err := c.around(ctx, "", inTables, func(n TableName) []kv.Span { return []kv.Span{kv.Below(cssPath(n.key()))} },
		kv.Below(cssPath(dbsKey)), kv.Below(cssPath(partitioningKey)))
	if err != nil {
		return nil, &Error{Op: "list databases", Err: err}
	}
	return func(yield func(DatabaseListing, error) bool) {
		for name := range existing(have, dbsKey) {
			db, err := decodeDatabase(have, name)
			listing := DatabaseListing{db, slices.Collect(existing(have, tablesKey(name)))}
			if !yield(listing, objectError("read database", name, err)) {
				return
			}
		}
	}, nil
}

// Tables reads the tables of the given databases, or of all databases when none is given, without their chunks and at
// one revision: in byte order of their names, those of each database together. It costs what the tables hold beside
// chunks. It returns ErrNoSuchDB for a database that is given and not there. A table that cannot be decoded comes as
// nil with an error, and the others follow.
func (c *Client) Tables(ctx context.Context, dbs ...string) (iter.Seq2[*Table, error], error) {
	chunks := func(n TableName) []kv.Span { return []kv.Span{kv.Below(cssPath(n.chunksKey()))} }
	have, names, err := c.tables(ctx, "list tables", dbs, inChunkTree, chunks)
	if err != nil {
		return nil, err
	}
	return func(yield func(*Table, error) bool) {
		for n := range names {
			t, err := decodeTable(have, n)
			if !yield(t, objectError("read table", n.String(), err)) {
				return
			}
		}
	}, nil
}

// tables reads the tables of databases, or of all, but for holes, and returns their names.
func (c *Client) tables(
	ctx context.Context, op string, dbs []string, holes kv.Holes, of func(TableName) []kv.Span,
) (*kv.Snapshot, iter.Seq[TableName], error) {
	spans, records := []kv.Span{kv.Below(cssPath(dbsKey))}, ""
	if len(dbs) > 0 {
		spans = nil
		for _, db := range dbs {
			spans = append(spans, keys(dbKey(db))[0], kv.Below(cssPath(tablesKey(db))))
		}
	}
	if len(dbs) == 1 {
		records = dbKey(dbs[0])
	}
	have, err := c.around(ctx, records, holes, of, spans...)
	for _, db := range dbs {
		if err == nil && (checkPart("database", db) != nil || !have.At(cssPath(dbKey(db))).Exists()) {
			return nil, nil, &Error{Op: op, Object: db, Err: ErrNoSuchDB}
		}
	}
	if err != nil {
		return nil, nil, &Error{Op: op, Object: strings.Join(dbs, ", "), Err: err}
	}
	if len(dbs) == 0 {
		dbs = slices.Collect(existing(have, dbsKey))
	}
	return have, func(yield func(TableName) bool) {
		for _, db := range dbs {
			for name := range existing(have, tablesKey(db)) {
				if !yield(TableName{db, name}) {
					return
				}
			}
		}
	}, nil
}

// Nodes reads all nodes, in byte order of their names, at one revision. One that cannot be decoded comes as nil with an
// error, and the others follow.
func (c *Client) Nodes(ctx context.Context) (iter.Seq2[*Node, error], error) {
	have, err := c.fetch(ctx, []kv.Span{kv.Below(cssPath(nodesKey))})
	if err != nil {
		return nil, &Error{Op: "list nodes", Err: err}
	}
	return func(yield func(*Node, error) bool) {
		for name := range existing(have, nodesKey) {
			n, err := decodeNode(have, name)
			if !yield(n, objectError("read node", name, err)) {
				return
			}
		}
	}, nil
}

// existing yields the names directly below key that have a key of their own.
func existing(have *kv.Snapshot, key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range children(have, key) {
			if have.At(cssPath(key+"/"+name)).Exists() && !yield(name) {
				return
			}
		}
	}
}

// inTables leaves out what lies below tables.
func inTables(p kv.Path) (kv.Span, bool) {
	if n, rest, ok := tableOf(p); ok && rest != "" {
		return kv.Below(cssPath(n.key())), true
	}
	return kv.Span{}, false
}

// inChunkTree leaves out what lies below the CHUNKS of tables.
func inChunkTree(p kv.Path) (kv.Span, bool) {
	if n, rest, ok := tableOf(p); ok && strings.HasPrefix(rest, "/CHUNKS/") {
		return kv.Below(cssPath(n.chunksKey())), true
	}
	return kv.Span{}, false
}

// around reads a part of the catalogue but for holes, of which those of each table on record are expected. Records is
// the key below whose spelling to look for tables, "" for all.
func (c *Client) around(ctx context.Context, records string, holes kv.Holes, of func(TableName) []kv.Span,
	spans ...kv.Span) (*kv.Snapshot, error) {
	if c.etcd == nil { // it is in memory
		return c.fetch(ctx, spans)
	}
	spans = append(spans, keys(versionKey)...)
	return c.atOneRevision(func() (*kv.Snapshot, error) {
		known, at, err := c.recorded(ctx, records)
		if err != nil {
			return nil, err
		}
		var expected []kv.Span
		for _, key := range known {
			if n, rest, ok := tableOf(cssPath(key)); ok && rest == "" {
				expected = append(expected, of(n)...)
			}
		}
		have, _, err := c.etcd.LoadAround(ctx, at, holes, expected, spans...)
		if err != nil {
			return nil, err
		}
		return have, checkVersion(have)
	})
}

// recorded returns the name keys on record, those below the spelling of a key, and the revision at which they were.
func (c *Client) recorded(ctx context.Context, below string) ([]string, Revision, error) {
	records, _, err := c.etcd.Load(ctx, 0, kv.Below(foldPath(below)))
	if err != nil {
		return nil, 0, err
	}
	var known []string
	for _, e := range records.Range(kv.Below(foldPath(below))) {
		if isNameKey(e.Value) {
			known = append(known, e.Value)
		}
	}
	return known, records.Revision, nil
}

// atOneRevision runs a read of several requests again when compaction overtakes it.
func (c *Client) atOneRevision(read func() (*kv.Snapshot, error)) (*kv.Snapshot, error) {
	const attempts = 4
	for attempt := 1; ; attempt++ {
		have, err := read()
		if !errors.Is(err, ErrCompacted) || attempt == attempts {
			return have, err
		}
	}
}
