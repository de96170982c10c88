package shm

import (
	"encoding/binary"
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
