package cssetcd

import (
	"iter"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/kv"
)

// Placement says which nodes hold the chunks of a table, at one revision. It is immutable and safe for use by any
// number of goroutines; what it returns must not be changed. A look-up takes a fraction of a microsecond and allocates
// nothing. The placement of the next snapshot of a view shares all but what changed, so that a changed chunk costs
// microseconds, however many there are. A table that is placed as its director is shares the director's memory, where
// that was asked for before.
type Placement struct {
	numbers []int // of the pages, rising: the ids on them without their last bits
	pages   []*placementPage
	len     int
	ids     atomic.Pointer[ChunkSet] // made when it is first asked for
}

// A page holds the chunks whose ids have the same leading bits.
const (
	pageBits = 8
	pageIDs  = 1 << pageBits
)

// placementPage is immutable.
type placementPage struct {
	there    [pageIDs / 64]uint64 // which of the ids
	replicas []*replicaSet        // of those, in order
}

// replicaSet is what is said of the replicas of a chunk; chunks on the same nodes share one.
type replicaSet struct {
	nodes []string
	err   error // why it cannot be read
}

// Placement returns where the chunks of a table are, or ErrNoSuchTable. It is made when it is first asked for, which
// takes some microseconds a chunk, and kept.
func (s *Snapshot) Placement(name TableName) (*Placement, error) {
	e, ok := s.index.tables.Get(name)
	if !ok {
		return nil, objectError("read placement of table", name.String(), noTable(s.kv, name))
	}
	return e.placed(s.kv, s.index), nil
}

// ChunkIDs returns the ids of the chunks of a table that the catalogue has, or ErrNoSuchTable.
func (s *Snapshot) ChunkIDs(name TableName) (ChunkSet, error) {
	p, err := s.Placement(name)
	if err != nil {
		return ChunkSet{}, err
	}
	return p.IDs(), nil
}

func (e *tableEntry) placed(have *kv.Snapshot, ix *index) *Placement {
	if known := e.placementKnown(); known != nil {
		return known
	}
	p, _ := e.placement.keep(newPlacement(have, e.name, ix.directorOf(have, e).placementKnown()), nil)
	return p
}

// placementKnown returns the placement of a table, which may be nil, if somebody has asked for it, and else nil.
func (e *tableEntry) placementKnown() *Placement {
	if e == nil {
		return nil
	}
	if kept := e.placement.kept.Load(); kept != nil {
		return kept.value
	}
	return nil
}

// directorOf returns the director of a table; nil: it has none, or is one itself.
func (ix *index) directorOf(have *kv.Snapshot, e *tableEntry) *tableEntry {
	t, err := e.decoded(have)
	if err != nil || t.Partitioning == nil {
		return nil
	}
	name := TableName{t.Partitioning.DirDB, t.Partitioning.DirTable}
	if name == e.name {
		return nil
	}
	director, _ := ix.tables.Get(name)
	return director
}

// Len returns the number of chunks.
func (p *Placement) Len() int { return p.len }

// Nodes returns the nodes that hold a replica of a chunk, in the order in which they were added. It returns
// ErrNoSuchChunk, and a [ValueError] when what the catalogue says of this one chunk cannot be read.
func (p *Placement) Nodes(chunk int) ([]string, error) {
	i, ok := slices.BinarySearch(p.numbers, chunk>>pageBits)
	if !ok {
		return nil, ErrNoSuchChunk
	}
	page := p.pages[i]
	at, ok := page.index(chunk)
	if !ok {
		return nil, ErrNoSuchChunk
	}
	r := page.replicas[at]
	return r.nodes, r.err
}

// All yields the chunks in the order of their ids. One that cannot be read comes with its error, and the others follow.
func (p *Placement) All() iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		for at, page := range p.pages {
			i := 0
			for id := range page.ids(p.numbers[at]) {
				r := page.replicas[i]
				if !yield(Chunk{ID: id, Nodes: r.nodes}, r.err) {
					return
				}
				i++
			}
		}
	}
}

// IDs returns the ids of the chunks.
func (p *Placement) IDs() ChunkSet {
	if kept := p.ids.Load(); kept != nil {
		return *kept
	}
	ids := make([]int, 0, p.len)
	for c := range p.All() {
		ids = append(ids, c.ID)
	}
	set, err := chunkset.Of(ids...)
	if err != nil {
		panic(err) // parseChunkID lets no other through
	}
	p.ids.CompareAndSwap(nil, &set)
	return *p.ids.Load()
}

// index returns where in the replicas a chunk stands.
func (p *placementPage) index(chunk int) (at int, ok bool) {
	word, bit := chunk%pageIDs/64, uint(chunk%64)
	if p.there[word]>>bit&1 == 0 {
		return 0, false
	}
	for _, w := range p.there[:word] {
		at += bits.OnesCount64(w)
	}
	return at + bits.OnesCount64(p.there[word]&(1<<bit-1)), true
}

// ids yields the ids on the page, which has a number.
func (p *placementPage) ids(number int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range p.there {
			for ; word != 0; word &= word - 1 {
				if !yield(number<<pageBits + i*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// newPlacement reads all chunks of a table. Pages that another placement, which may be nil, has alike are shared.
func newPlacement(have *kv.Snapshot, n TableName, like *Placement) *Placement {
	p := &Placement{}
	known := map[string]*replicaSet{}
	var page *placementPage
	for c, err := range decodeChunks(have, n) {
		if number := c.ID >> pageBits; page == nil || number != p.numbers[len(p.numbers)-1] {
			page = &placementPage{}
			p.numbers, p.pages = append(p.numbers, number), append(p.pages, page)
		}
		page.add(c.ID, shared(known, c.Nodes, err))
		p.len++
	}
	for at := range p.pages {
		p.share(at, like)
	}
	return p
}

// share takes a page of another placement, which may be nil, in place of one that says the same. It belongs to who
// makes the placement.
func (p *Placement) share(at int, like *Placement) {
	if like == nil {
		return
	}
	if i, ok := slices.BinarySearch(like.numbers, p.numbers[at]); ok && p.pages[at].says(like.pages[i]) {
		p.pages[at] = like.pages[i]
	}
}

// says reports whether two pages of one number say the same. What cannot be read says nothing.
func (p *placementPage) says(o *placementPage) bool {
	return p.there == o.there && slices.EqualFunc(p.replicas, o.replicas, func(a, b *replicaSet) bool {
		return a == b || a.err == nil && b.err == nil && slices.Equal(a.nodes, b.nodes)
	})
}

// shared returns the one set of these nodes.
func shared(known map[string]*replicaSet, nodes []string, err error) *replicaSet {
	if err != nil {
		return &replicaSet{nodes, err}
	}
	key := strings.Join(nodes, "/") // which no name has
	r, ok := known[key]
	if !ok {
		r = &replicaSet{nodes: nodes}
		known[key] = r
	}
	return r
}

// next returns the placement in a later snapshot, in which no chunk but these differs; nil where it is as well to read
// all of it anew. What changed is shared with another placement, which may be nil, where that is alike.
func (p *Placement) next(have *kv.Snapshot, n TableName, chunks []int, like *Placement) *Placement {
	const few = 64
	if len(chunks) > few+p.len/4 {
		return nil
	}
	slices.Sort(chunks)
	after := &Placement{numbers: slices.Clone(p.numbers), pages: slices.Clone(p.pages), len: p.len}
	for len(chunks) > 0 {
		number, here := chunks[0]>>pageBits, 1
		for here < len(chunks) && chunks[here]>>pageBits == number {
			here++
		}
		after.setPage(have, n, number, slices.Compact(chunks[:here]))
		if at, ok := slices.BinarySearch(after.numbers, number); ok {
			after.share(at, like)
		}
		chunks = chunks[here:]
	}
	return after
}

// setPage reads chunks of one page anew. It belongs to who makes the placement.
func (p *Placement) setPage(have *kv.Snapshot, n TableName, number int, chunks []int) {
	old := &placementPage{}
	at, ok := slices.BinarySearch(p.numbers, number)
	if ok {
		old = p.pages[at]
	}
	said := make(map[int]*replicaSet, len(old.replicas)+len(chunks))
	i := 0
	for id := range old.ids(number) {
		said[id] = old.replicas[i]
		i++
	}
	for _, id := range chunks {
		delete(said, id)
		if key := n.chunkKey(id); have.At(cssPath(key)).Exists() || !have.Empty(kv.Below(cssPath(key))) {
			c, err := decodeChunk(have, n, id)
			said[id] = old.like(&replicaSet{c.Nodes, err})
		}
	}
	page := &placementPage{replicas: make([]*replicaSet, 0, len(said))}
	for id := number << pageBits; id < (number+1)<<pageBits; id++ {
		if r, ok := said[id]; ok {
			page.add(id, r)
		}
	}
	p.len += len(page.replicas) - len(old.replicas)
	switch {
	case ok && len(page.replicas) == 0:
		p.numbers, p.pages = slices.Delete(p.numbers, at, at+1), slices.Delete(p.pages, at, at+1)
	case ok:
		p.pages[at] = page
	case len(page.replicas) > 0:
		p.numbers, p.pages = slices.Insert(p.numbers, at, number), slices.Insert(p.pages, at, page)
	}
}

// add puts a chunk after those that are there. It belongs to who makes the page.
func (p *placementPage) add(id int, r *replicaSet) {
	p.there[id%pageIDs/64] |= 1 << uint(id%64)
	p.replicas = append(p.replicas, r)
}

// like returns a set of the page that says the same, or the given one.
func (p *placementPage) like(r *replicaSet) *replicaSet {
	for _, other := range p.replicas {
		if r.err == nil && other.err == nil && slices.Equal(r.nodes, other.nodes) {
			return other
		}
	}
	return r
}

// parseChunkID reads the id in the key of a chunk; ok is false for a key that upstream passes over, too.
func parseChunkID(name string) (id int, ok bool) {
	id, err := strconv.Atoi(name)
	return id, err == nil && id >= 0 && id <= chunkset.MaxID && strconv.Itoa(id) == name
}
