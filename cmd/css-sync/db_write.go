package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

type dbCreateFlags struct {
	like        string
	withTables  bool
	db          cssetcd.Database
	striping    cssetcd.Striping
	ifNotExists bool
}

func dbCreate(p *program) *cobra.Command {
	var f dbCreateFlags
	cmd := &cobra.Command{
		Use: "create DATABASE", Short: "Create a database", Args: cli.Takes("DATABASE"),
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
	if f.like != "" {
		return css.CreateDatabaseLike(ctx, name, f.like, opts...)
	}
	f.db.Name = name
	return css.CreateDatabase(ctx, f.db, opts...)
}

func dbSetStatus(p *program) *cobra.Command {
	var only conditionFlags
	cmd := &cobra.Command{
		Use: "set-status DATABASE STATUS", Short: "Set the status of a database", Args: cli.Takes("DATABASE", "STATUS"),
		Example: "  css-sync db set-status LSST READY --if-status DO_NOT_USE",
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := parseStatus(args[1])
			if err != nil {
				return err
			}
			say := outcome{done: "status of database " + args[0] + " is " + args[1]}
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				return css.SetDatabaseStatus(ctx, args[0], status, only.options()...)
			})
		},
	}
	only.register(cmd, "database", "status")
	return cmd
}
