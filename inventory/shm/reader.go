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

	copied atomic.Pointer[copied] // the newest image that was asked for; nil: none was

	mu   sync.Mutex
	kept []memory // all that were ever mapped: somebody may be reading
}

// OpenReader opens a block for reading. It returns [ErrNoBlock] where none was written yet, and [ErrNotBlock] for a
// file that is something else.
func OpenReader(path string) (*Reader, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // nobody is waited for at a pipe
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
	if is, err := r.file.Stat(); err == nil && len(r.kept) > 0 && is.Size()&^7 == int64(len(*r.mem.Load())) {
		return nil // it has not grown
	}
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
func (r *Reader) Image() (Image, error) {
	c, err := r.newest()
	if err != nil {
		return Image{}, err
	}
	i, err := c.image()
	if err != nil {
		return Image{}, fmt.Errorf("read the block %s: %w", r.path, err)
	}
	return i, nil
}

// Contains reports whether the worker serves a chunk of a database. It makes no system call, and where the block says
// what it said the last time, it allocates nothing. It returns [ErrDamaged] for what no writer wrote.
func (r *Reader) Contains(db string, chunk int) (bool, error) {
	c, err := r.newest()
	if err != nil {
		return false, err
	}
	return c.sets[db].contains(chunk), nil
}

// newest returns a copy of the newest image.
func (r *Reader) newest() (*copied, error) {
	now := (*r.mem.Load()).word(atSequence).Load()
	if c := r.copied.Load(); c != nil && c.sequence == now {
		return c, nil
	}
	c, err := r.copy()
	if err != nil {
		return nil, fmt.Errorf("read the block %s: %w", r.path, err)
	}
	r.copied.Store(c)
	return c, nil
}

// copy copies the newest image, again and again until none was written meanwhile.
func (r *Reader) copy() (*copied, error) {
	for looked := 0; ; {
		m := *r.mem.Load()
		now := m.word(atSequence).Load()
		b, there := m.image(now & 1)
		switch {
		case m.word(atSequence).Load() != now:
			continue // overtaken
		case there:
			return decode(now, b)
		case len(m) == looked:
			return nil, ErrDamaged
		}
		looked = len(m) // it may have grown
		if err := r.remap(); err != nil {
			return nil, err
		}
	}
}

// image copies an image that a writer may be overwriting; ok is false where it is not within what is mapped.
func (m memory) image(which uint64) (b []byte, ok bool) {
	r := m.room(which)
	if r.at%8 != 0 || r.size < imageHeader || !m.has(r.at, imageHeader) {
		return nil, false
	}
	size := m.word(r.at + inLength).Load()
	if size < imageHeader || size > r.size || size%8 != 0 || !m.has(r.at, size) {
		return nil, false
	}
	return m.words(r.at, size), true
}
