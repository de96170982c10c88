package cssetcd

import (
	"hash/maphash"
	"strings"

	"github.com/benbjohnson/immutable"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// index leads from names to what a snapshot says of them. It is persistent: the index of the next snapshot shares
// everything that did not change, so that a table is decoded once after it changed, whatever else changes. It is
// immutable but for the memos.
type index struct {
	databases *immutable.Map[string, *databaseEntry]
	tables    *immutable.Map[TableName, *tableEntry]
	nodes     *immutable.Map[string, *nodeEntry]
	empty     *immutable.Map[string, *emptyEntry]           // there is one for each key below css_empty
	users     *immutable.Map[string, immutable.Set[string]] // the databases that name a partitioning, by its id
	schemas   *schemas
	stamp     Revision // of what was set last
}

// databaseEntry is replaced when anything in the database changes, its tables, chunks and partitioning included.
type databaseEntry struct {
	revision     Revision // the stamp with which it was set
	partitioning string   // the id that it names, "" for none
	memo[*Database]
}

// tableEntry is replaced when anything of the table changes.
type tableEntry struct {
	// name is a part of the key, as it is kept: the name that a reader asks with may be a part of something large.
	name      TableName
	table     memo[*Table]
	placement memo[*Placement]
	schema    memo[*schema]
}

type nodeEntry struct{ memo[*Node] }

// emptyEntry is replaced when the empty chunks of a database change. Its memo is of the value alone: whether that is of
// the database there is now, is asked anew each time.
type emptyEntry struct{ memo[ChunkSet] }

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
		empty:     immutable.NewMap[string, *emptyEntry](textHasher{}),
		users:     immutable.NewMap[string, immutable.Set[string]](textHasher{}),
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
	for p := range have.Range(kv.Below(emptyRoot)) {
		db, _ := csskey.EmptyAt(p)
		ix.setEmpty(have, db)
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
	moved := chunkChanges{}
	for _, p := range touched {
		if db, ok := csskey.EmptyAt(p); ok {
			next.setEmpty(have, db)
			continue
		}
		k := csskey.Parse(cssKey(p))
		if at := (place{k.Object, k.InChunks()}); at != last { // a drop touches one thing a hundred thousand times
			next.set(have, at)
			last = at
		}
		if last.chunks {
			moved.note(ix, k)
		}
	}
	moved.follow(&next, have)
	return &next
}

// chunkChanges are the chunks that were touched of tables whose placement somebody has asked for.
type chunkChanges map[TableName]*movedChunks

type movedChunks struct {
	before *Placement // as it was known when the first of them was met; nil: nobody has asked for it
	ids    []int
}

func (c chunkChanges) note(before *index, k csskey.Key) {
	n := TableName{k.DB, k.Name}
	m, ok := c[n]
	if !ok {
		m = &movedChunks{}
		if e, ok := before.tables.Get(n); ok {
			m.before = e.placementKnown()
		}
		c[n] = m
	}
	if m.before == nil {
		return
	}
	if name, ok := k.OfChunk(); ok {
		if id, ok := parseChunkID(name); ok {
			m.ids = append(m.ids, id)
		}
	}
}

// follow makes the placements that were known before into those of now: directors' first, with which others share.
func (c chunkChanges) follow(now *index, have *kv.Snapshot) {
	for _, led := range []bool{false, true} {
		for n, m := range c {
			e, is := now.tables.Get(n)
			if m.before == nil || !is {
				continue
			}
			director := now.directorOf(have, e)
			if led != (director != nil) {
				continue
			}
			if p := m.before.next(have, e.name, m.ids, director.placementKnown()); p != nil {
				_, _ = e.placement.keep(p, nil)
			}
		}
	}
}

// set replaces what stands at a place.
func (ix *index) set(have *kv.Snapshot, at place) {
	switch at.Kind {
	case csskey.Partitioning:
		if id, ok := strings.CutPrefix(at.Name, "_"); ok {
			ix.touchUsers(id)
		}
	case csskey.Node:
		ix.setNode(have, at.Name)
	case csskey.Database:
		ix.setDatabase(have, at.DB)
	case csskey.Table:
		ix.touchDatabase(at.DB)
		ix.setTableAt(have, TableName{at.DB, at.Name}, at.chunks)
	}
}

// setTableAt replaces what stands for a table, or for its chunks alone.
func (ix *index) setTableAt(have *kv.Snapshot, n TableName, chunks bool) {
	old, ok := ix.tables.Get(n)
	switch {
	case !chunks:
		e := &tableEntry{}
		if ok {
			e.placement.copy(&old.placement)
		}
		ix.setTable(have, n, e)
	case ok:
		e := &tableEntry{name: old.name}
		e.table.copy(&old.table)
		e.schema.copy(&old.schema)
		ix.tables = ix.tables.Set(e.name, e)
	}
}

// touchDatabase is for a change elsewhere than in the database's own keys, by which it neither comes nor goes.
func (ix *index) touchDatabase(name string) {
	if old, ok := ix.databases.Get(name); ok {
		ix.databases = ix.databases.Set(name, &databaseEntry{revision: ix.stamp, partitioning: old.partitioning})
	}
}

func (ix *index) setDatabase(have *kv.Snapshot, name string) {
	if old, ok := ix.databases.Get(name); ok {
		ix.leave(old.partitioning, name)
	}
	if checkPart("database", name) != nil || !have.At(cssPath(dbKey(name))).Exists() {
		ix.databases = ix.databases.Delete(name)
		return
	}
	// A record that cannot be read is an error whatever the partitioning is.
	id := readRecord(have, dbKey(name)).text("partitioningId")
	ix.join(id, name)
	ix.databases = ix.databases.Set(name, &databaseEntry{revision: ix.stamp, partitioning: id})
}

// touchUsers is for a change of a partitioning.
func (ix *index) touchUsers(id string) {
	users, ok := ix.users.Get(id)
	if !ok {
		return
	}
	for it := users.Iterator(); !it.Done(); {
		db, _ := it.Next()
		ix.touchDatabase(db)
	}
}

// join and leave note which database names which partitioning.
func (ix *index) join(id, db string) {
	if id == "" {
		return
	}
	users, ok := ix.users.Get(id)
	if !ok {
		users = immutable.NewSet[string](textHasher{})
	}
	ix.users = ix.users.Set(id, users.Add(db))
}

func (ix *index) leave(id, db string) {
	users, ok := ix.users.Get(id)
	if !ok {
		return
	}
	if users = users.Delete(db); users.Len() == 0 {
		ix.users = ix.users.Delete(id)
		return
	}
	ix.users = ix.users.Set(id, users)
}

func (ix *index) setNode(have *kv.Snapshot, name string) {
	if checkPart("node", name) != nil || !have.At(cssPath(nodeKey(name))).Exists() {
		ix.nodes = ix.nodes.Delete(name)
		return
	}
	ix.nodes = ix.nodes.Set(name, &nodeEntry{})
}

func (ix *index) setEmpty(have *kv.Snapshot, db string) {
	if !have.At(csskey.EmptyOf(db)).Exists() {
		ix.empty = ix.empty.Delete(db)
		return
	}
	ix.empty = ix.empty.Set(db, &emptyEntry{})
}

func (ix *index) setTable(have *kv.Snapshot, n TableName, e *tableEntry) {
	p, there := first(have, kv.Key(cssPath(n.key())))
	if n.checkParts() != nil || !there {
		ix.tables = ix.tables.Delete(n)
		return
	}
	e.name, _, _ = tableOf(p)
	ix.tables = ix.tables.Set(e.name, e)
}

// place says which thing a path is a part of. Of a table, what belongs to its chunks is a place of its own.
type place struct {
	csskey.Object
	chunks bool
}
