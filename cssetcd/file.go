package cssetcd

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hashicorp/go-multierror"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/filelock"
	"github.com/qserv/css-etcd/internal/kv"
)

// ErrFileInUse says that another process writes the file of a catalogue.
var ErrFileInUse = under(ErrPrecondition, "another process has it open for writing")

// OpenFile returns a client on a dump file instead of etcd, for tests and for work on a catalogue offline. All
// operations work, each of them saved as a whole before it is seen: after a crash the file holds the state before or
// after it. A file that is not there is made by the first create or restore. Until Close, a second writer gets
// ErrFileInUse; WithReadOnly needs no lock. Revisions begin at 1 each time and a view cannot follow a file. Of a
// symbolic link, the file that it leads to is meant. What is no regular file is ErrInvalid.
func OpenFile(path string, opts ...Option) (*Client, error) {
	c, err := openFile(path, opts)
	if err != nil {
		return nil, &Error{Op: "open", Object: path, Err: err}
	}
	return c, nil
}

func openFile(path string, opts []Option) (*Client, error) {
	c := &Client{prefix: DefaultPrefix, log: slog.New(slog.DiscardHandler)}
	faults := apply(c, opts)
	if c.prefix != DefaultPrefix {
		faults = multierror.Append(faults, errors.New("WithPrefix: a file holds one catalogue and has no prefix"))
	}
	if err := asInvalid(faults); err != nil {
		return nil, err
	}
	c.prefix = path
	f := &catalogueFile{}
	var err error
	if f.path, err = followed(path); err != nil {
		return nil, err
	}
	if !c.readOnly {
		if err := f.acquire(); err != nil {
			return nil, err
		}
	}
	start, err := f.load(c.readOnly)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	c.store, c.closer = kv.NewMemoryAt(start, f.save), f
	return c, nil
}

// followed returns where a symbolic link leads in the end, to a file that may be missing: that one is replaced and
// locked, so that the link stays and all names of the file share a lock. It refuses what is no file: reading a device
// may never end.
func followed(path string) (string, error) {
	const maxLinks = 40 // as the kernel
	for range maxLinks {
		target, err := os.Readlink(path)
		if err != nil { // it is no link
			return path, checkRegular(path)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Dir(path) + "/" + target // not cleaned: the directory may be a link itself
		}
		path = target
	}
	return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
}

func checkRegular(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil // opening it tells, and may make it
	case info.IsDir():
		return fmt.Errorf("%w: %s is a directory and not a file", ErrInvalid, path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is not a regular file: a catalogue is read whole and replaced whole", ErrInvalid, path)
	}
	return nil
}

// catalogueFile is the dump file that holds a catalogue.
type catalogueFile struct {
	path string         // of the file itself, not of a link to it
	lock *filelock.Lock // beside the file, which is replaced by each write; nil for a reader
	step func(saving)
}

// saving is a moment of a save, at which a test may end the process.
type saving int

const (
	savingBegun saving = iota
	savingWritten
	savingDone
)

func (f *catalogueFile) at(moment saving) {
	if f.step != nil {
		f.step(moment)
	}
}

func (f *catalogueFile) acquire() (err error) {
	f.lock, err = filelock.Take(f.path+".lock", 0o666)
	if errors.Is(err, filelock.ErrHeld) {
		return ErrFileInUse
	}
	return err
}

// Close lets others write.
func (f *catalogueFile) Close() error {
	if f.lock == nil {
		return nil
	}
	return f.lock.Release()
}

// load reads the file and makes anew what is kept beside a catalogue in etcd: spellings, and what refers to nodes.
func (f *catalogueFile) load(mustExist bool) (*kv.Snapshot, error) {
	b := kv.NewSnapshot(1, kv.Everything).Edit()
	text, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) && !mustExist {
		return b.Snapshot(1), nil
	}
	if err != nil {
		return nil, err
	}
	defer text.Close()
	d, err := ParseDump(text)
	if err != nil {
		return nil, err
	}
	put := func(p kv.Path, value string) { b.Put(p, kv.Entry{Value: value, Create: 1, Mod: 1}) }
	for key, value := range newRestorePlan(d).values {
		put(cssPath(key), value)
		if isNameKey(key) {
			put(foldPath(key), key)
		}
		if node := csskey.NodeOfReplica(key, value); node != "" {
			put(refRoot+"/"+kv.Path(node), "")
		}
	}
	return b.Snapshot(1), nil
}

// save replaces the file: readers see the old one or the new one.
func (f *catalogueFile) save(s *kv.Snapshot) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	f.at(savingBegun)
	mode := fs.FileMode(0o644)
	if old, statErr := os.Stat(f.path); statErr == nil {
		mode = old.Mode().Perm()
	}
	err = errors.Join(newSnapshot(s, 0).WriteDump(temp, ""), temp.Chmod(mode), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	f.at(savingWritten)
	if err := os.Rename(temp.Name(), f.path); err != nil {
		return err
	}
	f.at(savingDone)
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("%w: %w", kv.ErrOutcomeUnknown, err) // the next attempt writes the same again
	}
	return nil
}

// syncDir makes a rename in a directory outlast a crash of the machine.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// FilePath returns the path in a URL of the form file:///path, as command lines name a catalogue on a file; ok is false
// for anything else.
func FilePath(url string) (path string, ok bool) {
	path, ok = strings.CutPrefix(url, "file://")
	return path, ok && strings.HasPrefix(path, "/")
}
