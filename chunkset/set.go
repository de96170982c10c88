// Package chunkset has sets of chunk ids: which chunks of a database are empty, which ones a worker serves.
//
// A [Set] is a value: it never changes, and any number of goroutines may share it. It is kept as a compressed bitmap
// (Roaring), so that 150,000 ids take at most some tens of kilobytes, and a look-up some nanoseconds.
//
// Its text form is what people read and type, and what etcd holds: "0-311,313,400-402".
package chunkset

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
)

// MaxID is the greatest id of a chunk: Qserv keeps them as 32-bit integers. The least is 0.
const MaxID = math.MaxInt32

// MaxLen is how many ids a text may stand for: a hundred times the chunks of the finest partitioning in use. It keeps
// a short text, such as "0-2147483647", from costing seconds each time that somebody looks at what it means.
const MaxLen = 1 << 24

// ErrInvalid says that something is no id of a chunk, or no text of a set.
var ErrInvalid = errors.New("not a set of chunk ids")

// Set is an immutable set of chunk ids. The zero Set is empty and ready for use.
type Set struct{ bits *roaring.Bitmap } // nil when empty; never written to once it is here

// sealed makes a set of a bitmap that nobody else has.
func sealed(bits *roaring.Bitmap) Set {
	if bits.IsEmpty() {
		return Set{}
	}
	bits.RunOptimize()
	return Set{bits}
}

// Of returns the set of the ids, in any order and with any repeats. It returns ErrInvalid for one that is negative or
// above MaxID.
func Of(ids ...int) (Set, error) {
	bits := roaring.New()
	for _, id := range ids {
		if id < 0 || id > MaxID {
			return Set{}, fmt.Errorf("%w: %d is not between 0 and %d", ErrInvalid, id, MaxID)
		}
		bits.Add(uint32(id))
	}
	return sealed(bits), nil
}

// Contains reports whether an id is in the set. It takes any number.
func (s Set) Contains(id int) bool {
	return s.bits != nil && id >= 0 && id <= MaxID && s.bits.Contains(uint32(id))
}

// Len returns the number of ids.
func (s Set) Len() int {
	if s.bits == nil {
		return 0
	}
	return int(s.bits.GetCardinality())
}

// IsEmpty reports whether no id is in the set.
func (s Set) IsEmpty() bool { return s.bits == nil }

// Equal reports whether two sets have the same ids.
func (s Set) Equal(o Set) bool {
	if s.bits == nil || o.bits == nil {
		return s.bits == o.bits
	}
	return s.bits == o.bits || s.bits.Equals(o.bits)
}

// Union returns what is in either set.
func (s Set) Union(o Set) Set {
	switch {
	case s.bits == nil:
		return o
	case o.bits == nil:
		return s
	}
	return sealed(roaring.Or(s.bits, o.bits))
}

// Difference returns what is in s and not in o.
func (s Set) Difference(o Set) Set {
	if s.bits == nil || o.bits == nil {
		return s
	}
	return sealed(roaring.AndNot(s.bits, o.bits))
}

// Intersection returns what is in both sets.
func (s Set) Intersection(o Set) Set {
	if s.bits == nil || o.bits == nil {
		return Set{}
	}
	return sealed(roaring.And(s.bits, o.bits))
}

// All yields the ids in rising order.
func (s Set) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		if s.bits == nil {
			return
		}
		for it := s.bits.Iterator(); it.HasNext(); {
			if !yield(int(it.Next())) {
				return
			}
		}
	}
}

// Runs yields what is in the set as runs of ids that follow each other, first and last, in rising order. Between two
// runs at least one id is missing.
func (s Set) Runs() iter.Seq2[int, int] {
	return func(yield func(first, last int) bool) {
		if s.bits == nil {
			return
		}
		var ids [512]uint32
		it := s.bits.ManyIterator()
		first, last := int(s.bits.Minimum()), int(s.bits.Minimum())
		for n := it.NextMany(ids[:]); n > 0; n = it.NextMany(ids[:]) {
			for _, id := range ids[:n] {
				if int(id) > last+1 {
					if !yield(first, last) {
						return
					}
					first = int(id)
				}
				last = int(id)
			}
		}
		yield(first, last)
	}
}

// Size returns about how many bytes of memory the set takes.
func (s Set) Size() int {
	if s.bits == nil {
		return 0
	}
	return int(s.bits.GetSizeInBytes())
}
