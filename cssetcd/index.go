package cssetcd

import (
	"hash/maphash"
	"strings"

	"github.com/benbjohnson/immutable"

	"github.com/qserv/css-etcd/internal/kv"
)

// index leads from names to what a snapshot says of them. It is persistent: the index of the next snapshot shares everything that
// did not change, so that a table is decoded once after it changed, whatever else changes. It is immutable but for the memos.
type index struct {
	databases *immutable.Map[string, *databaseEntry]
	tables    *immutable.Map[TableName, *tableEntry]
	nodes     *immutable.Map[string, *nodeEntry]
	schemas   *schemas
	stamp     Revision // of what was set last
}

// databaseEntry is replaced when anything in the database changes, its tables, chunks and partitioning included.
type databaseEntry struct {
	revision Revision // the stamp with which it was set
	memo[*Database]
}

// tableEntry is replaced when anything of the table changes.
type tableEntry struct {
	table  memo[*Table]
	chunks memo[[]chunkOutcome]
	schema memo[*schema]
}

type nodeEntry struct{ memo[*Node] }

// chunkOutcome is one chunk as read: one that cannot be decoded spoils no other.
type chunkOutcome = outcome[Chunk]

type nameHasher struct{}

var hashSeed = maphash.MakeSeed()

func (nameHasher) Hash(n TableName) uint32 {
	return uint32(maphash.String(hashSeed, n.DB) ^ 31*maphash.String(hashSeed, n.Table))
}

func (nameHasher) Equal(a, b TableName) bool { return a == b }

type textHasher struct{}

func (textHasher) Hash(s string) uint32 { return uint32(maphash.String(hashSeed, s)) }

func (textHasher) Equal(a, b string) bool { return a == b }

// newIndex walks the names only, whatever lies below them.
func newIndex(have *kv.Snapshot) *index {
	ix := &index{
		databases: immutable.NewMap[string, *databaseEntry](textHasher{}),
		tables:    immutable.NewMap[TableName, *tableEntry](nameHasher{}),
		nodes:     immutable.NewMap[string, *nodeEntry](textHasher{}),
		schemas:   newSchemas(),
		stamp:     have.Revision,
	}
	for db := range children(have, dbsKey) {
		ix.setDatabase(have, db)
		for table := range children(have, tablesKey(db)) {
			ix.setTable(have, TableName{db, table}, &tableEntry{})
		}
	}
	for node := range children(have, nodesKey) {
		ix.setNode(have, node)
	}
	return ix
}

// next returns the index of a later snapshot, in which no path but the touched ones differs.
func (ix *index) next(have *kv.Snapshot, touched []kv.Path) *index {
	next := *ix
	if len(touched) > 0 { // rises also when etcd goes back, and when a difference is mended at one revision
		next.stamp = max(have.Revision, ix.stamp+1)
	}
	var last place
	for _, p := range touched {
		if at := placeOf(p); at != last { // a drop touches one thing a hundred thousand times
			next.set(have, at)
			last = at
		}
	}
	return &next
}

// set replaces what stands at a place.
func (ix *index) set(have *kv.Snapshot, at place) {
	switch at.kind {
	case inPartitioning:
		for it := ix.databases.Iterator(); !it.Done(); {
			db, _, _ := it.Next()
			if r := readRecord(have, dbKey(db)); r.err != nil || "_"+r.text("partitioningId") == at.name.Table {
				ix.touchDatabase(db)
			}
		}
	case inNode:
		ix.setNode(have, at.name.Table)
	case inDatabase:
		ix.setDatabase(have, at.name.DB)
	case inTable:
		ix.touchDatabase(at.name.DB)
		e := &tableEntry{}
		if old, ok := ix.tables.Get(at.name); ok {
			e.chunks.copy(&old.chunks)
		}
		ix.setTable(have, at.name, e)
	case inChunks:
		ix.touchDatabase(at.name.DB)
		if old, ok := ix.tables.Get(at.name); ok {
			e := &tableEntry{}
			e.table.copy(&old.table)
			e.schema.copy(&old.schema)
			ix.tables = ix.tables.Set(at.name, e)
		}
	}
}

// touchDatabase is for a change elsewhere than in the database's own keys, by which it neither comes nor goes.
func (ix *index) touchDatabase(name string) {
	if _, ok := ix.databases.Get(name); ok {
		ix.databases = ix.databases.Set(name, &databaseEntry{revision: ix.stamp})
	}
}

func (ix *index) setDatabase(have *kv.Snapshot, name string) {
	if checkPart("database", name) != nil || !have.At(cssPath(dbKey(name))).Exists() {
		ix.databases = ix.databases.Delete(name)
		return
	}
	ix.databases = ix.databases.Set(name, &databaseEntry{revision: ix.stamp})
}

func (ix *index) setNode(have *kv.Snapshot, name string) {
	if checkPart("node", name) != nil || !have.At(cssPath(nodeKey(name))).Exists() {
		ix.nodes = ix.nodes.Delete(name)
		return
	}
	ix.nodes = ix.nodes.Set(name, &nodeEntry{})
}

func (ix *index) setTable(have *kv.Snapshot, n TableName, e *tableEntry) {
	if n.checkParts() != nil || !have.At(cssPath(n.key())).Exists() {
		ix.tables = ix.tables.Delete(n)
		return
	}
	ix.tables = ix.tables.Set(n, e)
}

// place says which thing a path is a part of.
type place struct {
	kind placeKind
	name TableName // that of a node or partitioning stands in Table
}

type placeKind int

const (
	elsewhere placeKind = iota
	inPartitioning
	inNode
	inDatabase // and in none of its tables
	inTable    // and not in its chunks
	inChunks
)

func placeOf(p kv.Path) place {
	top, rest, _ := strings.Cut(strings.TrimPrefix(cssKey(p), "/"), "/")
	name, rest, _ := strings.Cut(rest, "/")
	switch "/" + top {
	case partitioningKey:
		return place{inPartitioning, TableName{Table: name}}
	case nodesKey:
		return place{inNode, TableName{Table: name}}
	case dbsKey:
	default:
		return place{}
	}
	tables, rest, _ := strings.Cut(rest, "/")
	if tables != "TABLES" {
		return place{inDatabase, TableName{DB: name}}
	}
	table, rest, _ := strings.Cut(rest, "/")
	if chunks, _, _ := strings.Cut(rest, "/"); chunks == "CHUNKS" {
		return place{inChunks, TableName{name, table}}
	}
	return place{inTable, TableName{name, table}}
}
