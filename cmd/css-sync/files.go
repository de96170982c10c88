package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// readFile reads a file, or standard input for "-". Nobody may be typing there: ctx ends the wait.
func readFile(ctx context.Context, name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		var data []byte
		var err error
		read := make(chan struct{})
		go func() {
			defer close(read)
			data, err = io.ReadAll(stdin)
		}()
		select {
		case <-read:
			return data, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, inputError{err}
	}
	return data, nil
}

// writeFile replaces a file when all of its new content is on disk, and leaves the old one alone until then. What is there and
// no file, such as /dev/stderr, is written to.
func writeFile(name string, write func(io.Writer) error) (err error) {
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
