package kv

import (
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/tidwall/btree"
)

// Revision numbers the states of a store. Every transaction that writes makes the next one. 0 stands for none.
type Revision int64

// Entry is what a key holds. The zero Entry means that the key is absent.
type Entry struct {
	Value  string
	Create Revision // the revision at which the key came into being: its incarnation
	Mod    Revision // the revision of its last change
}

// Exists reports whether the key was there.
func (e Entry) Exists() bool { return e.Mod != 0 }

type item struct {
	path  Path
	entry Entry
}

func lessItem(a, b item) bool { return a.path < b.path }

// degree of the B-tree: 16 keeps an update at two copied kilobytes a level and a look-up at four or five steps.
const degree = 16

func newTree() *btree.BTreeG[item] {
	return btree.NewBTreeGOptions(lessItem, btree.Options{NoLocks: true, Degree: degree})
}

// Snapshot is a key space, or the spans of it that were asked for, at one revision. It is immutable and safe for use by
// any number of goroutines.
type Snapshot struct {
	Revision Revision
	spans    []Span
	holes    Holes      // what is left out of the spans; nil for nothing
	sifted   []Span     // of what lies in these, only what an operation's Scan kept is here
	copying  sync.Mutex // taking a copy-on-write copy writes to the tree's header
	tree     *btree.BTreeG[item]
}

// NewSnapshot returns a snapshot of the given spans in which no key exists.
func NewSnapshot(at Revision, spans ...Span) *Snapshot {
	return &Snapshot{Revision: at, spans: spans, tree: newTree()}
}

// Spans returns what the snapshot shows. The caller must not change it.
func (s *Snapshot) Spans() []Span { return s.spans }

// Shows reports whether the snapshot says anything about all of span, but for holes inside of it.
func (s *Snapshot) Shows(span Span) bool {
	if s.holes != nil {
		if _, in := s.holes(span.From); in {
			return false
		}
	}
	for _, have := range s.spans {
		if have.Covers(span) {
			return true
		}
	}
	return false
}

// At returns the entry of p, the zero Entry when it is absent. It panics when p is outside of what the snapshot was
// asked to show: that is a fault of the program, and "absent" would be a wrong answer.
func (s *Snapshot) At(p Path) Entry {
	s.mustShow(Key(p))
	it, _ := s.tree.Get(item{path: p})
	return it.entry
}

// Range yields the keys of span in byte order. It panics when the snapshot does not show all of span.
func (s *Snapshot) Range(span Span) iter.Seq2[Path, Entry] {
	s.mustShow(span)
	return s.ascend(span)
}

func (s *Snapshot) ascend(span Span) iter.Seq2[Path, Entry] {
	return func(yield func(Path, Entry) bool) {
		s.tree.Ascend(item{path: span.From}, func(it item) bool {
			if !span.Contains(it.path) {
				return false
			}
			return yield(it.path, it.entry)
		})
	}
}

// Sifted yields what the operation's Scan of this very span kept, with what it read of it otherwise, in byte order. It
// panics when there is no such Scan.
func (s *Snapshot) Sifted(span Span) iter.Seq2[Path, Entry] {
	if !slices.Contains(s.sifted, span) {
		panic(fmt.Sprintf("kv: %s was not declared as scanned", span))
	}
	return s.ascend(span)
}

// Empty reports whether no key of span exists. It panics when the snapshot does not show all of span.
func (s *Snapshot) Empty(span Span) bool {
	for range s.Range(span) {
		return false
	}
	return true
}

// Changed returns the revision of the last change of any of the keys in the spans, 0 when none of them exists. A key
// that was deleted leaves no trace in it. It panics when the snapshot does not show all of the spans.
func (s *Snapshot) Changed(spans ...Span) Revision {
	var last Revision
	for _, span := range spans {
		for _, e := range s.Range(span) {
			last = max(last, e.Mod)
		}
	}
	return last
}

// Len returns the number of keys that exist.
func (s *Snapshot) Len() int { return s.tree.Len() }

func (s *Snapshot) mustShow(span Span) {
	if !s.Shows(span) {
		panic(fmt.Sprintf("kv: %s was not declared as read; the snapshot shows %v", span, s.spans))
	}
}

// Builder makes a snapshot from another one. It belongs to one goroutine.
type Builder struct {
	spans  []Span
	holes  Holes
	sifted []Span
	tree   *btree.BTreeG[item]
}

// Edit returns a builder that starts with the contents of s; s does not change.
func (s *Snapshot) Edit() *Builder {
	s.copying.Lock()
	defer s.copying.Unlock()
	return &Builder{spans: s.spans, holes: s.holes, sifted: s.sifted, tree: s.tree.IsoCopy()}
}

// Put sets the entry of a key and returns what it held before; was is false when it was absent.
func (b *Builder) Put(p Path, e Entry) (old Entry, was bool) {
	it, was := b.tree.Set(item{p, e})
	return it.entry, was
}

// Delete removes a key and returns what it held; was is false when it was absent.
func (b *Builder) Delete(p Path) (old Entry, was bool) {
	it, was := b.tree.Delete(item{path: p})
	return it.entry, was
}

// At returns the entry of p as built so far.
func (b *Builder) At(p Path) Entry {
	it, _ := b.tree.Get(item{path: p})
	return it.entry
}

// DeleteSpan removes every key of a span and returns the paths removed.
func (b *Builder) DeleteSpan(span Span) []Path {
	var gone []Path
	b.tree.Ascend(item{path: span.From}, func(it item) bool {
		if !span.Contains(it.path) {
			return false
		}
		gone = append(gone, it.path)
		return true
	})
	for _, p := range gone {
		b.Delete(p)
	}
	return gone
}

// Snapshot ends the building: the builder must not be used afterwards.
func (b *Builder) Snapshot(at Revision) *Snapshot {
	s := &Snapshot{Revision: at, spans: b.spans, holes: b.holes, sifted: b.sifted, tree: b.tree}
	b.tree = nil
	return s
}

// WithRevision returns the same contents at a later revision: nothing that the snapshot shows has changed since.
func (s *Snapshot) WithRevision(at Revision) *Snapshot { return s.Edit().Snapshot(at) }
