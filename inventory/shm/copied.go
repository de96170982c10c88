package shm

import (
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/qserv/css-etcd/chunkset"
)

// copied is a whole image out of shared memory. It is immutable.
type copied struct {
	sequence uint64
	revision int64
	written  time.Time
	sets     map[string]ids
}

// ids is a set in one of its two forms.
type ids struct {
	count int
	first int      // of the bitmap
	bits  []uint64 // bit i of number n is of the id first + 64n + i
	list  []uint32 // rising
}

func (s ids) contains(chunk int) bool {
	if bit := chunk - s.first; bit >= 0 && bit/64 < len(s.bits) {
		return s.bits[bit/64]>>(bit%64)&1 != 0
	}
	if len(s.list) == 0 || chunk < 0 || chunk > 1<<32-1 {
		return false
	}
	_, found := slices.BinarySearch(s.list, uint32(chunk))
	return found
}

func (s ids) set() (chunkset.Set, error) {
	var all []int
	for _, id := range s.list {
		all = append(all, int(id))
	}
	for bit := range 64 * len(s.bits) {
		if s.bits[bit/64]>>(bit%64)&1 != 0 {
			all = append(all, s.first+bit)
		}
	}
	set, err := chunkset.Of(all...)
	if err == nil && set.Len() != s.count {
		err = fmt.Errorf("it has %d ids and says %d", set.Len(), s.count)
	}
	return set, err
}

func (c *copied) image() (Image, error) {
	i := Image{Revision: c.revision, Written: c.written, Sets: map[string]chunkset.Set{}}
	for db, ids := range c.sets {
		set, err := ids.set()
		if err != nil {
			return Image{}, fmt.Errorf("%w: database %.80q: %w", ErrDamaged, db, err)
		}
		i.Sets[db] = set
	}
	return i, nil
}

// decode reads an image of which nothing is trusted.
func decode(sequence uint64, b []byte) (*copied, error) {
	if crc32.Checksum(b[imageHeader:], castagnoli) != le.Uint32(b[inChecksum:]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	c := &copied{sequence: sequence, revision: int64(le.Uint64(b[inRevision:])),
		written: time.Unix(0, int64(le.Uint64(b[inWritten:]))), sets: map[string]ids{}}
	for n := range int(le.Uint32(b[inDatabases:])) {
		entry, err := part(b, uint64(imageHeader+entrySize*n), entrySize)
		if err != nil {
			return nil, err
		}
		name, err := part(b, uint64(le.Uint32(entry[entryName:])), uint64(le.Uint32(entry[entryLength:])))
		if err != nil {
			return nil, err
		}
		if c.sets[string(name)], err = decodeIDs(b, entry); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func decodeIDs(b, entry []byte) (s ids, err error) {
	s.count = int(le.Uint32(entry[entryCount:]))
	at := le.Uint64(entry[entryData:])
	switch kind := le.Uint32(entry[entryKind:]); kind {
	case bitmap:
		s.first = int(le.Uint32(entry[entryFirst:]))
		data, err := part(b, at, 8*uint64(le.Uint32(entry[entryWords:])))
		for ; len(data) > 0; data = data[8:] {
			s.bits = append(s.bits, le.Uint64(data))
		}
		return s, err
	case sorted:
		data, err := part(b, at, 4*uint64(s.count))
		for ; len(data) > 0; data = data[4:] {
			s.list = append(s.list, le.Uint32(data))
		}
		return s, err
	default:
		return s, fmt.Errorf("%w: there is no kind %d", ErrDamaged, kind)
	}
}

func part(b []byte, at, size uint64) ([]byte, error) {
	if end := at + size; end < at || end > uint64(len(b)) {
		return nil, fmt.Errorf("%w: %d bytes at %d lie beyond %d", ErrDamaged, size, at, len(b))
	}
	return b[at : at+size], nil
}
