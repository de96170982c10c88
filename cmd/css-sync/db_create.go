package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/diff"
	"github.com/qserv/css-etcd/internal/form"
)

type dbCreateFlags struct {
	like        string
	withTables  bool
	withEmpty   bool
	db          cssetcd.Database
	striping    cssetcd.Striping
	ifNotExists bool
}

func dbCreate(p *program) *cobra.Command {
	var f dbCreateFlags
	cmd := &cobra.Command{
		Use: "create DATABASE", Short: "Create a database", Args: cli.Takes("DATABASE"),
		ValidArgsFunction: p.Completes(nil),
		Long: `Create a database: with a partitioning of its own (--stripes, --sub-stripes, --overlap), with that of another
database (--like), or, with neither, for tables that are not partitioned.

With --with-tables it gets the tables of the other database that are READY, too, without their chunks. No query sees it before it is whole; when
that is interrupted, running it again does the rest.`,
		Example: `  css-sync db create LSST --stripes 340 --sub-stripes 3 --overlap 0.01667
  css-sync db create LSST_copy --like LSST
  css-sync db create LSST_copy --like LSST --with-tables`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return cli.InvalidUse(cmd, "%w", err)
			}
			if f.withTables {
				return p.AtLength(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
					return p.createWithTables(ctx, css, args[0], f.like)
				})
			}
			say := outcome{"database " + args[0] + " created", "the database " + args[0] + " exists"}
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				return f.create(ctx, css, args[0])
			})
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.striping.Stripes, "stripes", 0, "number of stripes")
	flags.IntVar(&f.striping.SubStripes, "sub-stripes", 0, "number of sub-stripes in each stripe")
	flags.Float64Var(&f.striping.Overlap, "overlap", 0, "default overlap of sub-chunks in degrees")
	flags.StringVar(&f.db.StorageClass, "storage-class", cssetcd.DefaultStorageClass, "storage class")
	flags.StringVar(&f.db.ReleaseStatus, "release-status", cssetcd.DefaultReleaseStatus, "release status")
	flags.StringVar(&f.like, "like", "", "take partitioning, storage class and release status from this database")
	flags.BoolVar(&f.withTables, "with-tables", false, "create the tables of the --like database, too")
	flags.BoolVar(&f.withEmpty, "with-empty-chunks", false, "say that the same chunks are empty as in the --like database")
	p.CompleteFlag(cmd, "like", cli.DatabaseNames)
	flags.BoolVar(&f.ifNotExists, "if-not-exists", false, "succeed when the database exists, whatever it looks like")
	return cmd
}

func (f *dbCreateFlags) check(cmd *cobra.Command) error {
	given := func(names ...string) int {
		n := 0
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				n++
			}
		}
		return n
	}
	switch n := given("stripes", "sub-stripes", "overlap"); {
	case given("like") > 0 && f.like == "":
		return errors.New("--like is empty; it takes the name of a database")
	case given("like") > 0 && n+given("storage-class", "release-status") > 0:
		return errors.New("--like takes all from the other database; leave out the flags that say otherwise")
	case f.withEmpty && f.like == "":
		return errors.New("--with-empty-chunks needs --like, which says of which database")
	case f.withEmpty && f.withTables:
		return errors.New("--with-tables makes tables that have no chunks yet; leave out --with-empty-chunks")
	case f.withTables && f.like == "":
		return errors.New("--with-tables needs --like, which says of which database")
	case f.withTables && f.ifNotExists:
		return errors.New("--with-tables goes on with what it finds when it is run again; leave out --if-not-exists")
	case n != 0 && n != 3:
		return errors.New("--stripes, --sub-stripes and --overlap belong together")
	case n == 3:
		f.db.Striping = &f.striping
	}
	return nil
}

func (f *dbCreateFlags) create(ctx context.Context, css *cli.Catalogue, name string) (cssetcd.Revision, error) {
	var opts []cssetcd.WriteOption
	if f.ifNotExists {
		opts = append(opts, cssetcd.IfNotExists())
	}
	if f.withEmpty {
		opts = append(opts, cssetcd.WithEmptyChunks())
	}
	if f.like != "" {
		return css.CreateDatabaseLike(ctx, name, f.like, opts...)
	}
	f.db.Name = name
	return css.CreateDatabase(ctx, f.db, opts...)
}

// createWithTables creates a database with the tables of another one, which takes several transactions. Running it
// again goes on where it ended.
func (p *program) createWithTables(ctx context.Context, css *cli.Catalogue, name, like string) error {
	s, err := css.WholeSnapshot(ctx, 0)
	if err != nil {
		return err
	}
	tables, err := s.TablesLike(like, name)
	if err != nil {
		return err
	}
	if skipped := notReady(s, like); len(skipped) > 0 {
		p.Say("warning: left out, because they are not READY in %s: %s", like, strings.Join(skipped, ", "))
	}
	for name, why := range cssetcd.Unqueryable(diff.Values(s)) {
		if name.DB == like {
			p.Say("warning: %s, and so is its copy: %s", name, why)
		}
	}
	rev, err := css.PublishDatabase(ctx, cssetcd.Database{Name: name}, like, tables, cssetcd.AllowUnqueryable())
	switch {
	case err != nil && ctx.Err() != nil:
		p.Say("interrupted; what is created stays and is not seen by queries, and running it again does the rest")
		return err
	case err != nil:
		return err
	}
	return p.Print(publishedView{form.OfRevision(rev), len(tables)}, func(w io.Writer) {
		if rev == 0 {
			fmt.Fprintf(w, "nothing to do: the database %s exists with %s like those of %s\n", name,
				cli.Count(len(tables), "table"), like)
			return
		}
		fmt.Fprintf(w, "database %s created with %s like those of %s, revision %d\n", name, cli.Count(len(tables), "table"),
			like, rev)
	})
}

// publishedView is the JSON form of a database that was made like another.
type publishedView struct {
	form.Result
	Tables int `json:"tables"` // that it has, like those of the other
}

// notReady returns the tables of a database that are not ready, with their statuses.
func notReady(s *cssetcd.Snapshot, db string) []string {
	var all []string
	for t, err := range s.Tables(db) {
		if err == nil && !t.Status.Ready() {
			all = append(all, fmt.Sprintf("%s (%s)", t.Name.Table, t.Status))
		}
	}
	return all
}
