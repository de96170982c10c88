package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/diff"
)

// side reads one of the catalogues that diff compares.
type side func(context.Context) (diff.Side, error)

// parseSide reads an argument of diff, and says what is wrong with it before anything is asked of a server.
func (p *program) parseSide(cmd *cobra.Command, arg string) (side, error) {
	number, atRevision := strings.CutPrefix(arg, "etcd@")
	switch {
	case arg == "etcd" || atRevision:
		rev, err := strconv.ParseInt(number, 10, 64)
		if atRevision && (err != nil || rev <= 0) {
			return nil, cli.InvalidUse(cmd, "%s: the revision has to be a number above 0", arg)
		}
		path, err := p.File.Path()
		switch {
		case err != nil:
			return nil, err
		case path != "" && atRevision:
			return nil, cli.InvalidUse(cmd, "%s: %s says that the catalogue is on a file, which has no revisions", arg,
				cli.Source(p.File.Flags, "css"))
		}
		return func(ctx context.Context) (diff.Side, error) {
			return p.readCatalogue(ctx, arg, path, cssetcd.Revision(rev))
		}, nil
	case arg == "mysql":
		target, err := p.MustTarget()
		return func(ctx context.Context) (diff.Side, error) { return diff.OfMySQL(ctx, target) }, err
	}
	name, ok := cssetcd.FilePath(arg)
	if !ok && strings.HasPrefix(arg, "file:") {
		return nil, cli.InvalidUse(cmd, "%q is not of the form file:///path.json", arg)
	} else if !ok {
		name = arg
	}
	return func(ctx context.Context) (diff.Side, error) {
		dump, err := cli.ReadDump(ctx, name, p.Stdin)
		if err != nil {
			return diff.Side{}, of(arg, err)
		}
		return diff.OfDump(arg, dump), nil
	}, nil
}

// readCatalogue reads what the other commands work on: etcd, or the file at the path.
func (p *program) readCatalogue(ctx context.Context, arg, path string, rev cssetcd.Revision) (s diff.Side, err error) {
	err = p.OnWhole(ctx, func(ctx context.Context, css *cli.Catalogue) error {
		have, err := css.WholeSnapshot(ctx, rev)
		if err == nil {
			s = diff.OfSnapshot(arg, have)
		}
		return err
	})
	switch {
	case path != "":
		s.Source, s.Revision = path, 0
	case rev != 0:
		err = of(arg, err)
	}
	return s, err
}

// of has an error name the side that it is of.
func of(arg string, err error) error {
	var e *cssetcd.Error
	if errors.As(err, &e) {
		return &cssetcd.Error{Op: e.Op, Object: arg, Err: e.Err}
	}
	return err
}
