package shm

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qserv/css-etcd/internal/filelock"
)

// Writer writes the block of a worker. It is for one goroutine.
type Writer struct {
	path, name string
	mode       os.FileMode
	lock       *filelock.Lock // on a file beside it, which readers cannot open: of the block they could lock something
	file       *os.File
	mem        memory
}

// leastRoom is for an image of some thousand ids, so that most blocks never grow.
const leastRoom = 16 << 10

// OpenWriter opens the block of a worker for writing, and makes it, with this mode, where there is none. What an
// earlier writer left there stays until the first [Writer.Write]. It returns [ErrWritten] while another process writes
// it, and [ErrNotBlock] for what is something else: another kind of file, a symbolic link, a block of another worker,
// or one that another user made and may have forged. That is left as it is.
func OpenWriter(path, worker string, mode os.FileMode) (*Writer, error) {
	w := &Writer{path: path, name: worker, mode: mode}
	if worker == "" || len(worker) > maxWorker || strings.ContainsRune(worker, 0) {
		return nil, fmt.Errorf("open the block %s: %w: %.80q cannot be the name of a worker", path, ErrNotBlock, worker)
	}
	if err := w.open(); err != nil {
		return nil, fmt.Errorf("open the block %s: %w", path, err)
	}
	return w, nil
}

func (w *Writer) open() (err error) {
	lock := w.path + ".lock"
	if err := own(lock); err != nil {
		return err
	}
	if w.lock, err = filelock.Take(lock, 0o600); errors.Is(err, filelock.ErrHeld) {
		return fmt.Errorf("%w: %w", ErrWritten, err)
	} else if err != nil {
		return err
	}
	if err := w.openFile(); err != nil {
		return errors.Join(err, w.lock.Release())
	}
	return nil
}

// own refuses what is at a path and is no regular file of this user: somebody else may have forged it, or lead
// elsewhere.
func own(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return ours(info)
}

func ours(info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is no regular file", ErrNotBlock, info.Name())
	}
	if of, ok := info.Sys().(*syscall.Stat_t); ok && int(of.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to the user with the id %d, who may have forged it; remove it", ErrNotBlock,
			info.Name(), of.Uid)
	}
	return nil
}

func (w *Writer) openFile() error {
	if err := own(w.path); err != nil {
		return err
	}
	file, err := os.OpenFile(w.path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, w.mode)
	if err != nil {
		return err
	}
	w.file = file
	if err := w.begin(); err != nil {
		return errors.Join(err, file.Close())
	}
	return nil
}

// begin maps the block, and makes a file that is new, or whose maker died at it, into one.
func (w *Writer) begin() error {
	file := w.file
	info, err := file.Stat()
	if err == nil {
		err = ours(info)
	}
	if err != nil {
		return err
	}
	size := info.Size()
	if size < headerSize {
		if size != 0 {
			return fmt.Errorf("%w: it has %d bytes, and is no inventory", ErrNotBlock, size)
		}
		if err := file.Chmod(w.mode); err != nil { // whatever the umask
			return err
		}
		size = headerSize + 2*leastRoom
	}
	if err := reserve(file, size); err != nil {
		return err
	}
	if w.mem, err = mapped(file, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return err
	}
	err = w.mem.check()
	if errors.Is(err, ErrNoBlock) {
		err = w.make()
	}
	if err == nil && w.mem.worker() != w.name {
		err = fmt.Errorf("%w: it is of worker %.80q", ErrNotBlock, w.mem.worker())
	}
	if err != nil {
		return errors.Join(err, w.mem.unmap())
	}
	return nil
}

// make writes the header. The magic number comes last: without it there is no block.
func (w *Writer) make() error {
	for at := uint64(0); at < headerSize; at += 8 {
		if at > 0 && at < atWorker+maxWorker+1 {
			continue // a maker that died may have been here
		}
		if w.mem.word(at).Load() != 0 {
			return fmt.Errorf("%w: it is no inventory", ErrNotBlock)
		}
	}
	m := w.mem
	m.word(atVersion).Store(version | headerSize<<32)
	m.word(atSequence).Store(0)
	m.word(atConfirmed).Store(0)
	size := (uint64(len(m)) - headerSize) / 2 &^ 7
	for which := range uint64(2) {
		m.word(atImages + 16*which).Store(headerSize + which*size)
		m.word(atImages + 16*which + 8).Store(size)
	}
	name := make([]byte, maxWorker+1)
	copy(name, w.name)
	m.put(atWorker, name)
	m.word(atMagic).Store(le.Uint64([]byte(magic)))
	return nil
}

// reserve makes a file as large as this, and takes the memory for it now: the kernel would end a process that writes to
// memory that is not there to be had.
func reserve(file *os.File, size int64) error {
	err := unix.Fallocate(int(file.Fd()), 0, 0, size)
	for errors.Is(err, unix.EINTR) { // the runtime sends signals to itself
		err = unix.Fallocate(int(file.Fd()), 0, 0, size)
	}
	if errors.Is(err, unix.EOPNOTSUPP) { // of a file system that is none in memory
		info, err := file.Stat()
		if err != nil || info.Size() >= size {
			return err
		}
		return file.Truncate(size)
	}
	if err != nil {
		return fmt.Errorf("reserve %d bytes: %w", size, err)
	}
	return nil
}

// Write makes readers see an image instead of the one before: all of it at once, or, where the process dies meanwhile,
// nothing. confirmed is when the image was last known to be what etcd holds.
func (w *Writer) Write(i Image, confirmed time.Time) error {
	if err := w.stay(); err != nil {
		return fmt.Errorf("write the block %s: %w", w.path, err)
	}
	image := i.encode()
	next := w.mem.word(atSequence).Load() + 1
	if next == 1 { // who reads may know another block of this path: by a clock that is right no number comes twice
		next = uint64(time.Now().UnixNano())
		w.Confirm(confirmed)
	}
	to := w.mem.room(next & 1)
	if to.size < uint64(len(image)) || !w.mem.has(to.at, to.size) || to.at%8 != 0 {
		var err error
		if to, err = w.grow(next&1, uint64(len(image))); err != nil {
			return fmt.Errorf("write the block %s: %w", w.path, err)
		}
	}
	w.mem.put(to.at, image)
	w.mem.word(atSequence).Store(next)
	w.Confirm(confirmed) // afterwards: of the image before nobody knows that
	return nil
}

// grow finds more room for an image that nobody reads, at the end of the file.
func (w *Writer) grow(which, size uint64) (room, error) {
	const page = 4096
	r := room{at: (uint64(len(w.mem)) + page - 1) &^ (page - 1), size: (2*size + page - 1) &^ (page - 1)}
	if err := reserve(w.file, int64(r.at+r.size)); err != nil {
		return r, err
	}
	wider, err := mapped(w.file, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return r, err
	}
	old := w.mem
	w.mem = wider
	w.mem.word(atImages + 16*which).Store(r.at)
	w.mem.word(atImages + 16*which + 8).Store(r.size)
	return r, old.unmap()
}

// There reports whether the block is still the file at its path. Where it is not, somebody has removed that, and the
// next [Writer.Write] makes it anew.
func (w *Writer) There() bool {
	at, err := os.Lstat(w.path)
	is, serr := w.file.Stat()
	return err == nil && serr == nil && os.SameFile(at, is)
}

// stay sees to it that readers find the block at its path.
func (w *Writer) stay() error {
	if w.There() {
		return nil
	}
	old := *w
	if err := w.openFile(); err != nil {
		*w = old
		return err
	}
	return errors.Join(old.mem.unmap(), old.file.Close())
}

// Confirm says that the image was still what etcd holds at a time.
func (w *Writer) Confirm(at time.Time) { w.mem.word(atConfirmed).Store(uint64(at.UnixNano())) }

// Close lets another process write the block. What it says stays.
func (w *Writer) Close() error {
	if err := w.release(); err != nil {
		return fmt.Errorf("close the block %s: %w", w.path, err)
	}
	return nil
}

func (w *Writer) release() error { return errors.Join(w.mem.unmap(), w.file.Close(), w.lock.Release()) }
