package shm

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is a file that is mapped. What is in it is read and written in numbers of 8 bytes, each as an atomic: what one
// process has written before it moves the sequence number, another one sees that has seen the number, and the other way
// round, on every processor.
type memory []byte

// mapped maps the whole of a file.
func mapped(file *os.File, protection int) (memory, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is no regular file", ErrNotBlock)
	case info.Size() < headerSize:
		return nil, ErrNoBlock
	}
	size := info.Size() &^ 7
	m, err := unix.Mmap(int(file.Fd()), 0, int(size), protection, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", file.Name(), err)
	}
	return m, nil
}

func (m memory) unmap() error { return unix.Munmap(m) }

func (m memory) word(at uint64) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&m[at])) }

// has reports whether some bytes are there.
func (m memory) has(at, size uint64) bool {
	end := at + size
	return end >= at && end <= uint64(len(m))
}

// words copies bytes out; at and size are multiples of 8, and are there.
func (m memory) words(at, size uint64) []byte {
	out := make([]byte, 0, size)
	for i := uint64(0); i < size; i += 8 {
		out = le.AppendUint64(out, m.word(at+i).Load())
	}
	return out
}

// put writes bytes whose number is a multiple of 8.
func (m memory) put(at uint64, b []byte) {
	for i := 0; i < len(b); i += 8 {
		m.word(at + uint64(i)).Store(le.Uint64(b[i:]))
	}
}

// room is where an image is, or may be.
type room struct{ at, size uint64 }

func (m memory) room(which uint64) room {
	at := atImages + 16*which
	return room{m.word(at).Load(), m.word(at + 8).Load()}
}

// check refuses what is no block of this version.
func (m memory) check() error {
	switch {
	case m.word(atMagic).Load() == 0:
		return ErrNoBlock
	case m.word(atMagic).Load() != le.Uint64([]byte(magic)):
		return fmt.Errorf("%w: it is no inventory", ErrNotBlock)
	case uint32(m.word(atVersion).Load()) != version:
		return fmt.Errorf("%w: its version is %d, and this program knows version %d", ErrNotBlock,
			uint32(m.word(atVersion).Load()), version)
	}
	return nil
}

// worker is a name of at most maxWorker bytes.
func (m memory) worker() string {
	text := m.words(atWorker, maxWorker+1)
	for i, b := range text {
		if b == 0 {
			return string(text[:i])
		}
	}
	return string(text)
}
