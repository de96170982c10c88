package cssetcd

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// Which fields each thing has. Reads of a part of the catalogue declare them.
var (
	dbFields         = []string{"storageClass", "releaseStatus", "partitioningId"}
	sharedScanFields = []string{"lockInMem", "scanRating"}
	nodeFields       = []string{"type", "host", "port"}
)

// recordSpans are the keys that a record of these fields is read from, its own key included.
func recordSpans(key string, fields []string) []kv.Span {
	spans := []kv.Span{kv.Key(cssPath(key)), kv.Key(cssPath(packedKey(key)))}
	for _, f := range fields {
		spans = append(spans, kv.Key(cssPath(key+"/"+f)))
	}
	return spans
}

// databaseSpans are what decodeDatabase reads first. Its partitioning it asks for when it knows which one that is.
func databaseSpans(db string) []kv.Span { return recordSpans(dbKey(db), dbFields) }

func decodeDatabase(have *kv.Snapshot, name string) (*Database, error) {
	e := have.At(cssPath(dbKey(name)))
	if !e.Exists() || checkPart("database", name) != nil {
		return nil, ErrNoSuchDB
	}
	r := readRecord(have, dbKey(name))
	db := &Database{
		Name: name, Status: Status(e.Value), Incarnation: e.Create, Modified: have.Changed(databaseThing(name).own...),
		StorageClass: r.text("storageClass"), ReleaseStatus: r.text("releaseStatus"),
	}
	id := r.text("partitioningId")
	if r.err != nil {
		return nil, r.err
	}
	if id == "" {
		return db, nil
	}
	var err error
	if db.Striping, err = decodeStriping(have, id); err != nil {
		return nil, err
	}
	return db, nil
}

func decodeStriping(have *kv.Snapshot, id string) (*Striping, error) {
	key := partitioningKey + "/_" + id
	if strings.Contains(id, "/") {
		return nil, &ValueError{key, "the partitioning id has a slash"}
	}
	if below := kv.Below(cssPath(key)); !have.Shows(below) {
		return nil, kv.Need{kv.Key(cssPath(key)), below}
	}
	r := readRecord(have, key)
	s := &Striping{ID: id, Stripes: r.integer("nStripes"), SubStripes: r.integer("nSubStripes"),
		Overlap: r.number("overlap")}
	if r.err != nil {
		return nil, r.err
	}
	return s, nil
}

// tableSpans are what decodeTable reads: the table without its chunks, of which there may be 150,000.
func tableSpans(n TableName) []kv.Span {
	t, chunks := cssPath(n.key()), cssPath(n.chunksKey())
	return []kv.Span{
		kv.Key(cssPath(dbKey(n.DB))),
		kv.Key(t),
		{From: t + "/", To: chunks},
		{From: chunks + "0", To: t + "0"},
	}
}

// noTable is the error for a table that is not there: it also tells when its database is missing.
func noTable(have *kv.Snapshot, n TableName) error {
	if !have.At(cssPath(dbKey(n.DB))).Exists() || checkPart("database", n.DB) != nil {
		return fmt.Errorf("%w: %w %s", ErrNoSuchTable, ErrNoSuchDB, n.DB)
	}
	return ErrNoSuchTable
}

func decodeTable(have *kv.Snapshot, n TableName) (*Table, error) {
	e := have.At(cssPath(n.key()))
	if !e.Exists() || n.checkParts() != nil {
		return nil, noTable(have, n)
	}
	r := readRecord(have, n.key())
	t := &Table{
		Name: n, Status: Status(e.Value), Incarnation: e.Create, Modified: have.Changed(tableThing(n).own...),
		Schema: r.text("schema"),
	}
	err := r.err
	if err != nil {
		return nil, err
	}
	if t.Match, err = decodeMatch(have, n); err != nil {
		return nil, err
	}
	if t.Partitioning, err = decodePartitioning(have, n); err != nil {
		return nil, err
	}
	t.SharedScan, err = decodeSharedScan(have, n)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// decodePartitioning: a table is partitioned when the key is there, or anything below it, since kvData then has its
// row.
func decodePartitioning(have *kv.Snapshot, n TableName) (*Partitioning, error) {
	path := cssPath(n.partKey())
	if !have.At(path).Exists() && have.Empty(kv.Below(path)) {
		return nil, nil
	}
	r := readRecord(have, n.partKey())
	return &Partitioning{
		DirDB: r.text("dirDb"), DirTable: r.text("dirTable"), DirColumn: r.text("dirColName"),
		LatColumn: r.text("latColName"), LonColumn: r.text("lonColName"),
		Overlap: r.number("overlap"), SubChunks: r.flag("subChunks"),
	}, r.err
}

// decodeMatch: as in upstream, a table is a match table when it names a first director.
func decodeMatch(have *kv.Snapshot, n TableName) (*Match, error) {
	r := readRecord(have, n.matchKey())
	if r.err != nil || r.text("dirTable1") == "" {
		return nil, r.err
	}
	return &Match{
		DirTable1: r.text("dirTable1"), DirColumn1: r.text("dirColName1"),
		DirTable2: r.text("dirTable2"), DirColumn2: r.text("dirColName2"),
		FlagColumn: r.text("flagColName"), AngSep: r.number("angSep"),
	}, r.err
}

func decodeSharedScan(have *kv.Snapshot, n TableName) (*SharedScan, error) {
	r := readRecord(have, n.sharedScanKey())
	if r.err != nil || (!r.has("lockInMem") && !r.has("scanRating")) {
		return nil, r.err
	}
	return &SharedScan{LockInMem: r.flag("lockInMem"), Rating: r.integer("scanRating")}, r.err
}

func nodeSpans(name string) []kv.Span { return recordSpans(nodeKey(name), nodeFields) }

func decodeNode(have *kv.Snapshot, name string) (*Node, error) {
	e := have.At(cssPath(nodeKey(name)))
	if !e.Exists() || checkPart("node", name) != nil {
		return nil, ErrNoSuchNode
	}
	r := readRecord(have, nodeKey(name))
	node := &Node{
		Name: name, State: NodeState(e.Value), Incarnation: e.Create, Modified: have.Changed(nodeThing(name).own...),
		Type: r.text("type"), Host: r.text("host"), Port: r.integer("port"),
	}
	if r.err != nil {
		return nil, r.err
	}
	return node, nil
}

// children yields the names directly below key, in byte order of the keys, whether they are keys themselves or only
// have keys below them. It seeks from child to child and does not walk what lies below them.
func children(have *kv.Snapshot, key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		below := kv.Below(cssPath(key))
		for from := below.From; ; {
			p, ok := first(have, kv.Span{From: from, To: below.To})
			if !ok {
				return
			}
			name, _, deeper := strings.Cut(string(p[len(below.From):]), "/")
			child := below.From + kv.Path(name)
			// A name may sort between the child's key and what lies below it ("a" < "a b" < "a/x"), so seek past the
			// key first.
			from = child + "0"
			if !deeper {
				from = child + "\x00"
			} else if have.At(child).Exists() {
				continue // it was yielded when its key was met
			}
			if name != packedName && !yield(name) {
				return
			}
		}
	}
}

func first(have *kv.Snapshot, span kv.Span) (kv.Path, bool) {
	for p := range have.Range(span) {
		return p, true
	}
	return "", false
}

// decodeChunks yields the chunks of a table in the order of their ids. Keys that are no ids are passed over, as in
// upstream.
func decodeChunks(have *kv.Snapshot, n TableName) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		var ids []int
		for name := range children(have, n.chunksKey()) {
			if id, ok := parseChunkID(name); ok {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		for _, id := range ids {
			if !yield(decodeChunk(have, n, id)) {
				return
			}
		}
	}
}

func decodeChunk(have *kv.Snapshot, n TableName, id int) (Chunk, error) {
	c := Chunk{ID: id}
	replicas := n.chunkKey(id) + "/REPLICAS"
	for name := range children(have, replicas) {
		r := readRecord(have, replicas+"/"+name)
		node := r.text("nodeName")
		if r.err == nil && node == "" {
			r.fail(r.key, "the replica names no node")
		}
		if r.err != nil {
			return c, r.err
		}
		c.Nodes = append(c.Nodes, node)
	}
	return c, nil
}
