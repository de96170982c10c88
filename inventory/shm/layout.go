package shm

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/qserv/css-etcd/chunkset"
)

// The file, in bytes. All numbers are little-endian, and those of 8 bytes lie at multiples of 8. docs/SHM.md is the
// contract for programs in other languages.
const (
	magic   = "CSSCHUNK"
	version = 1

	atMagic     = 0
	atVersion   = 8  // 4 bytes
	atHeader    = 12 // 4 bytes: how long the header is
	atSequence  = 16 // the image is the one of the two whose number is the last bit
	atConfirmed = 24 // when the writer last knew that the image is what etcd holds: nanoseconds since 1970
	atImages    = 32 // of each of the two images 16 bytes: where it begins, and how much room it has
	atWorker    = 64 // name of the worker, ended by zeros
	headerSize  = 4096
	maxWorker   = 255
)

// An image is a header, a directory with an entry for each database in byte order of the names, and what the entries
// refer to. Where something is in an image counts from the image's beginning.
const (
	inLength    = 0  // of the image
	inRevision  = 8  // of etcd
	inWritten   = 16 // when: nanoseconds since 1970
	inDatabases = 24 // 4 bytes: how many
	inChecksum  = 28 // 4 bytes: CRC-32C of the image without its first 32 bytes
	imageHeader = 32

	entrySize   = 32
	entryName   = 0  // 4 bytes: where the name is
	entryLength = 4  // 4 bytes: how long it is
	entryKind   = 8  // 4 bytes: bitmap or sorted
	entryFirst  = 12 // 4 bytes: the smallest id, of a bitmap
	entryCount  = 16 // 4 bytes: how many ids there are
	entryWords  = 20 // 4 bytes: how many numbers of 8 bytes a bitmap has
	entryData   = 24 // 8 bytes: where the ids are

	bitmap = 1 // bit i, of the number i/64, is of the id first+i
	sorted = 2 // ids of 4 bytes, rising
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// Image is what a block says.
type Image struct {
	Revision int64     // of etcd
	Written  time.Time // by the writer
	Sets     map[string]chunkset.Set
}

// encode returns an image as bytes, a multiple of 8.
func (i Image) encode() []byte {
	names := slices.Sorted(maps.Keys(i.Sets))
	out := make([]byte, imageHeader+entrySize*len(names))
	for n, name := range names {
		e := imageHeader + entrySize*n
		le.PutUint32(out[e+entryName:], uint32(len(out)))
		le.PutUint32(out[e+entryLength:], uint32(len(name)))
		out = padded(append(out, name...))
		le.PutUint64(out[e+entryData:], uint64(len(out)))
		out = appendSet(out, e, i.Sets[name])
	}
	le.PutUint64(out[inLength:], uint64(len(out)))
	le.PutUint64(out[inRevision:], uint64(i.Revision))
	le.PutUint64(out[inWritten:], uint64(i.Written.UnixNano()))
	le.PutUint32(out[inDatabases:], uint32(len(names)))
	le.PutUint32(out[inChecksum:], crc32.Checksum(out[imageHeader:], castagnoli))
	return out
}

func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&7)...) }

// appendSet appends the ids in the shorter form, and says in the entry at e what it is.
func appendSet(out []byte, e int, s chunkset.Set) []byte {
	first, last := bounds(s)
	words := 0
	if !s.IsEmpty() {
		words = (last-first)/64 + 1
	}
	le.PutUint32(out[e+entryCount:], uint32(s.Len()))
	if 8*words > 4*s.Len() {
		le.PutUint32(out[e+entryKind:], sorted)
		for id := range s.All() {
			out = le.AppendUint32(out, uint32(id))
		}
		return padded(out)
	}
	le.PutUint32(out[e+entryKind:], bitmap)
	le.PutUint32(out[e+entryFirst:], uint32(first))
	le.PutUint32(out[e+entryWords:], uint32(words))
	at := len(out)
	out = append(out, make([]byte, 8*words)...)
	for id := range s.All() {
		bit := id - first
		out[at+bit/8] |= 1 << (bit % 8)
	}
	return out
}

func bounds(s chunkset.Set) (first, last int) {
	first = -1
	for from, to := range s.Runs() {
		if first < 0 {
			first = from
		}
		last = to
	}
	return max(first, 0), last
}

// decode reads an image of which nothing is trusted.
func decode(b []byte) (Image, error) {
	if len(b) < imageHeader || le.Uint64(b[inLength:]) != uint64(len(b)) {
		return Image{}, fmt.Errorf("%w: its length is wrong", ErrDamaged)
	}
	if crc32.Checksum(b[imageHeader:], castagnoli) != le.Uint32(b[inChecksum:]) {
		return Image{}, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	i := Image{Revision: int64(le.Uint64(b[inRevision:])),
		Written: time.Unix(0, int64(le.Uint64(b[inWritten:]))), Sets: map[string]chunkset.Set{}}
	for n := range int(le.Uint32(b[inDatabases:])) {
		name, set, err := decodeEntry(b, imageHeader+entrySize*n)
		if err != nil {
			return Image{}, fmt.Errorf("%w: entry %d: %w", ErrDamaged, n, err)
		}
		i.Sets[name] = set
	}
	return i, nil
}

func decodeEntry(b []byte, e int) (name string, set chunkset.Set, err error) {
	entry, err := part(b, uint64(e), entrySize)
	if err != nil {
		return "", set, err
	}
	text, err := part(b, uint64(le.Uint32(entry[entryName:])), uint64(le.Uint32(entry[entryLength:])))
	if err != nil {
		return "", set, err
	}
	count, words := uint64(le.Uint32(entry[entryCount:])), uint64(le.Uint32(entry[entryWords:]))
	size := 8 * words
	kind := le.Uint32(entry[entryKind:])
	if kind == sorted {
		size = 4 * count
	}
	data, err := part(b, le.Uint64(entry[entryData:]), size)
	if err != nil {
		return "", set, err
	}
	var ids []int
	switch kind {
	case sorted:
		for i := range int(count) {
			ids = append(ids, int(le.Uint32(data[4*i:])))
		}
	case bitmap:
		first := int(le.Uint32(entry[entryFirst:]))
		for i := range 8 * len(data) {
			if data[i/8]>>(i%8)&1 != 0 {
				ids = append(ids, first+i)
			}
		}
	default:
		return "", set, fmt.Errorf("there is no kind %d", kind)
	}
	set, err = chunkset.Of(ids...)
	if err == nil && uint64(set.Len()) != count {
		err = fmt.Errorf("it has %d ids and says %d", set.Len(), count)
	}
	return string(text), set, err
}

func part(b []byte, at, size uint64) ([]byte, error) {
	if end := at + size; end < at || end > uint64(len(b)) {
		return nil, fmt.Errorf("%d bytes at %d lie beyond %d", size, at, len(b))
	}
	return b[at : at+size], nil
}
