package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/keydiff"
	"github.com/qserv/css-etcd/mirror"
)

// side is one of the catalogues that diff compares, not read yet.
type side struct {
	ofMirror bool // it has the rows that a mirror adds
	read     func(context.Context) (keys []keydiff.Pair, v sideView, err error)
}

// parseSide reads an argument of diff, and says what is wrong with it before anything is asked of a server.
func (p *program) parseSide(cmd *cobra.Command, arg string) (side, error) {
	number, atRevision := strings.CutPrefix(arg, "etcd@")
	switch {
	case arg == "etcd" || atRevision:
		rev, err := strconv.ParseInt(number, 10, 64)
		if atRevision && (err != nil || rev <= 0) {
			return side{}, cli.InvalidUse(cmd, "%s: the revision has to be a number above 0", arg)
		}
		path, err := p.File.Path()
		switch {
		case err != nil:
			return side{}, err
		case path != "" && atRevision:
			return side{}, cli.InvalidUse(cmd, "%s: %s says that the catalogue is on a file, which has no revisions", arg,
				cli.Source(p.File.Flags, "css"))
		}
		return side{read: func(ctx context.Context) ([]keydiff.Pair, sideView, error) {
			return p.readCatalogue(ctx, arg, path, cssetcd.Revision(rev))
		}}, nil
	case arg == "mysql":
		if _, err := p.MustTarget(); err != nil {
			return side{}, err
		}
		return side{ofMirror: true, read: p.readMySQL}, nil
	}
	name, ok := cssetcd.FilePath(arg)
	if !ok && strings.HasPrefix(arg, "file:") {
		return side{}, cli.InvalidUse(cmd, "%q is not of the form file:///path.json", arg)
	} else if !ok {
		name = arg
	}
	return side{read: func(ctx context.Context) ([]keydiff.Pair, sideView, error) { return p.readDump(ctx, arg, name) }},
		nil
}

// readCatalogue reads what the other commands work on: etcd, or the file at the path.
func (p *program) readCatalogue(ctx context.Context, arg, path string, rev cssetcd.Revision) ([]keydiff.Pair, sideView,
	error) {
	var keys []keydiff.Pair
	v := sideView{Source: arg}
	err := p.OnWhole(ctx, func(ctx context.Context, css *cli.Catalogue) error {
		s, err := css.WholeSnapshot(ctx, rev)
		if err != nil {
			return err
		}
		keys = make([]keydiff.Pair, 0, s.Len())
		for key, e := range s.Below("") {
			keys = append(keys, keydiff.Pair{Key: key, Value: e.Value})
		}
		v.Keys, v.Revision = s.Len(), s.Revision()
		return nil
	})
	switch {
	case path != "":
		v.Source, v.Revision = path, 0
	case rev != 0:
		err = of(arg, err)
	}
	return keys, v, err
}

// of has an error name the side that it is of.
func of(arg string, err error) error {
	var e *cssetcd.Error
	if errors.As(err, &e) {
		return &cssetcd.Error{Op: e.Op, Object: arg, Err: e.Err}
	}
	return err
}

func (p *program) readDump(ctx context.Context, arg, name string) ([]keydiff.Pair, sideView, error) {
	dump, err := cli.ReadDump(ctx, name, p.Stdin)
	if err != nil {
		return nil, sideView{}, of(arg, err)
	}
	return keydiff.Collect(dump.All(), dump.Len()), sideView{Source: arg, Keys: dump.Len()}, nil
}

// readMySQL reads the rows of kvData.
func (p *program) readMySQL(ctx context.Context) ([]keydiff.Pair, sideView, error) {
	target, err := p.MustTarget()
	if err != nil {
		return nil, sideView{}, err
	}
	// The state is not needed: kvData may be upstream's. But reading it tells what is wrong with a connection.
	if _, err := mirror.ReadState(ctx, target); err != nil && !errors.Is(err, mirror.ErrNoMirror) {
		return nil, sideView{}, err
	}
	keys, err := readKvData(ctx, target)
	delete(keys, "") // the root
	return byKey(keys), sideView{Source: "mysql", Keys: len(keys)}, err
}
