package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/qserv/css-etcd/cssetcd"
)

// ReadDump reads a dump from a file, or from standard input for "-". See reading.
func ReadDump(ctx context.Context, name string, stdin io.Reader) (*cssetcd.Dump, error) {
	return Reading(ctx, name, stdin, cssetcd.ParseDump)
}

// ReadFile reads a file, or standard input for "-". See reading.
func ReadFile(ctx context.Context, name string, stdin io.Reader) ([]byte, error) {
	return Reading(ctx, name, stdin, io.ReadAll)
}

// Reading opens a file, or takes standard input for "-", and reads it. Nobody may be typing there, nor write the pipe
// that the name is of: ctx ends the wait, and what waits is left behind, which a program that ends can do.
func Reading[T any](ctx context.Context, name string, stdin io.Reader, read func(io.Reader) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		if name == "-" {
			r.value, r.err = read(stdin)
		} else {
			r.value, r.err = readPath(name, read)
		}
		done <- r
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func readPath[T any](name string, read func(io.Reader) (T, error)) (T, error) {
	var none T
	file, err := os.Open(name)
	if err != nil {
		return none, inputError{err}
	}
	defer file.Close()
	value, err := read(file)
	if errors.As(err, new(*fs.PathError)) {
		err = inputError{err}
	}
	return value, err
}

// WriteFile replaces a file when all of its new content is on disk, and leaves the old one alone until then. What is
// there and no file, such as /dev/stderr, is written to.
func WriteFile(name string, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return cmp.Or(write(f), f.Close())
	}
	if file, err := filepath.EvalSymlinks(name); err == nil {
		name = file // the link stays
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return notTemporary(err, name)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	out := bufio.NewWriter(f)
	// One fault, such as a full disk, is met again by all that follows.
	if err = cmp.Or(write(out), out.Flush(), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return notTemporary(err, name)
	}
	return os.Rename(f.Name(), name)
}

// notTemporary puts the name that was asked for in place of that of the temporary file, which nobody knows.
func notTemporary(err error, name string) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return &fs.PathError{Op: p.Op, Path: name, Err: p.Err}
	}
	return err
}
