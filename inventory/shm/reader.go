package shm

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Reader reads a block. Its methods may be called by any number of goroutines, but Close, after which none may be
// called. A block of which [Reader.Confirmed] is long ago has no writer any more, or is not the file any more that is
// at its path: open it anew.
type Reader struct {
	path string
	file *os.File
	mem  atomic.Pointer[memory]

	mu   sync.Mutex
	kept []memory // all that were ever mapped: somebody may be reading
}

// OpenReader opens a block for reading. It returns [ErrNoBlock] where none was written yet, and [ErrNotBlock] for a
// file that is something else.
func OpenReader(path string) (*Reader, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrNoBlock, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the block %s: %w", path, err)
	}
	r := &Reader{path: path, file: file}
	err = r.remap()
	if err == nil {
		m := *r.mem.Load()
		if err = m.check(); err == nil && m.word(atSequence).Load() == 0 {
			err = ErrNoBlock
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the block %s: %w", path, errors.Join(err, r.Close()))
	}
	return r, nil
}

// Close ends the reading.
func (r *Reader) Close() error {
	err := r.file.Close()
	for _, m := range r.kept {
		err = errors.Join(err, m.unmap())
	}
	return err
}

// remap maps the file anew, which has grown.
func (r *Reader) remap() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, err := mapped(r.file, unix.PROT_READ)
	if err != nil {
		return err
	}
	r.kept = append(r.kept, m)
	r.mem.Store(&m)
	return nil
}

// Worker returns the name of the worker whose block it is.
func (r *Reader) Worker() string { return (*r.mem.Load()).worker() }

// Sequence returns the number of the newest image. It moves with each that is written.
func (r *Reader) Sequence() uint64 { return (*r.mem.Load()).word(atSequence).Load() }

// Confirmed returns when the writer last knew that the block says what etcd holds, by the clock of this machine.
func (r *Reader) Confirmed() time.Time {
	return time.Unix(0, int64((*r.mem.Load()).word(atConfirmed).Load()))
}

// Image returns all that the block says. It returns [ErrDamaged] for what no writer wrote.
func (r *Reader) Image() (i Image, err error) {
	err = r.read(func(v view) (err error) {
		i, err = decode(v.mem.words(v.at, v.size))
		return err
	})
	return i, err
}

// Contains reports whether the worker serves a chunk of a database. It makes no system call and allocates nothing. It
// returns [ErrDamaged] for what no writer wrote.
func (r *Reader) Contains(db string, chunk int) (found bool, err error) {
	err = r.read(func(v view) error {
		var ok bool
		if found, ok = v.contains(db, chunk); !ok {
			return ErrDamaged
		}
		return nil
	})
	return found, err
}

// read calls with the newest image until none was written meanwhile.
func (r *Reader) read(do func(view) error) error {
	for looked := 0; ; {
		m := *r.mem.Load()
		seq := m.word(atSequence)
		now := seq.Load()
		v, there := m.image(now & 1)
		err := ErrDamaged
		if there {
			err = do(v)
		}
		switch {
		case seq.Load() != now:
			continue // overtaken
		case err == nil:
			return nil
		case !there && len(m) != looked: // it may have grown
			looked = len(m)
			if err = r.remap(); err == nil {
				continue
			}
		}
		return fmt.Errorf("read the block %s: %w", r.path, err)
	}
}

// view is an image in memory that a writer may be overwriting.
type view struct {
	mem      memory
	at, size uint64
}

// image finds an image; ok is false where it is not within what is mapped.
func (m memory) image(which uint64) (v view, ok bool) {
	r := m.room(which)
	if r.at%8 != 0 || r.size < imageHeader || !m.has(r.at, imageHeader) {
		return v, false
	}
	size := m.word(r.at + inLength).Load()
	return view{m, r.at, size}, size >= imageHeader && size <= r.size && size%8 == 0 && m.has(r.at, size)
}

// word reads the number of 8 bytes at a place of the image.
func (v view) word(at uint64) (n uint64, ok bool) {
	if at%8 != 0 || at+8 < at || at+8 > v.size {
		return 0, false
	}
	return v.mem.word(v.at + at).Load(), true
}

// contains looks a chunk up; ok is false where the image is damaged, or being overwritten.
func (v view) contains(db string, chunk int) (found, ok bool) {
	databases, _ := v.word(inDatabases)
	for n := range uint64(uint32(databases)) {
		name, ok := v.word(imageHeader + entrySize*n)
		if !ok {
			return false, false
		}
		same, ok := v.named(uint32(name), uint32(name>>32), db)
		if !ok {
			return false, false
		}
		if same {
			return v.entry(imageHeader+entrySize*n, chunk)
		}
	}
	return false, true
}

// named compares a name, whose end is filled with zeros.
func (v view) named(at, length uint32, db string) (same, ok bool) {
	if int(length) != len(db) {
		return false, true
	}
	for i := 0; i < len(db); i += 8 {
		n, ok := v.word(uint64(at) + uint64(i))
		if !ok {
			return false, false
		}
		var part [8]byte
		copy(part[:], db[i:])
		if n != le.Uint64(part[:]) {
			return false, true
		}
	}
	return true, true
}

func (v view) entry(at uint64, chunk int) (found, ok bool) {
	kind, _ := v.word(at + entryKind)
	count, _ := v.word(at + entryCount)
	data, ok := v.word(at + entryData)
	if !ok || chunk < 0 || uint64(chunk) > 1<<32-1 {
		return false, ok
	}
	switch uint32(kind) {
	case bitmap:
		bit := uint64(chunk) - kind>>32
		if uint64(chunk) < kind>>32 || bit/64 >= count>>32 {
			return false, true
		}
		n, ok := v.word(data + bit/64*8)
		return n>>(bit%64)&1 != 0, ok
	case sorted:
		return v.search(data, uint64(uint32(count)), uint32(chunk))
	}
	return false, false
}

func (v view) search(data, count uint64, id uint32) (found, ok bool) {
	low, high := uint64(0), count
	for low < high {
		middle := (low + high) / 2
		pair, ok := v.word(data + middle/2*8)
		if !ok {
			return false, false
		}
		switch is := uint32(pair >> (middle % 2 * 32)); {
		case is == id:
			return true, true
		case is < id:
			low = middle + 1
		default:
			high = middle
		}
	}
	return false, true
}
