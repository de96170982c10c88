package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

type tableCreateFlags struct {
	schema      schemaFlags
	director    bool
	part        cssetcd.Partitioning
	match       cssetcd.Match
	scan        cssetcd.SharedScan
	status      string
	ifNotExists bool
	unqueryable bool
}

// Which flags make a table partitioned, a match table, or one of shared scans.
var (
	partFlags  = []string{"director", "dir-db", "dir-table", "dir-col", "lat-col", "lon-col", "overlap", "sub-chunks"}
	matchFlags = []string{"match-table1", "match-col1", "match-table2", "match-col2", "match-flag", "ang-sep"}
	scanFlags  = []string{"scan-rating", "lock-in-mem"}
)

func tableCreate(p *program) *cobra.Command {
	var f tableCreateFlags
	cmd := &cobra.Command{
		Use: "create DATABASE.TABLE", Short: "Create a table", Args: cli.Takes("DATABASE.TABLE"),
		Long: `Create a table, whole: one that every worker holds (no further flags), a director (--director), a child of a director
(--dir-table), or a match table (--match-...). White space around the schema, and one semicolon at its end, are left out.

A table that no czar can query is refused. The rules are those of Qserv's query analysis:

  - a partitioned table lies in a database with partitioning (db create --stripes ... --sub-stripes ...)
  - a director has sub-chunks, and different columns for its key (--dir-col), longitude and latitude
  - a child has none; it names a column with the director's key, and a director that is there, in the child's own database
  - a match table names two directors that are there, in its own database, and different columns with their keys
  - columns that are named are in the schema, in upper or lower case, where the schema can be read

--allow-unqueryable lets such a table through: one that another program than Qserv reads, or one whose director comes later.

Workers keep the chunks of a table T under the names T_1, T_2 and TFullOverlap_1, TFullOverlap_2 and so on. Two tables of which one has
such a name and the other one is partitioned are always refused in one database.`,
		Example: `  css-sync table create LSST.Filter --schema '(id INT, name CHAR(3))'
  css-sync table create LSST.Object --schema-file Object.schema --director --dir-col objectId \
      --lat-col decl --lon-col ra --overlap 0.01667 --sub-chunks --scan-rating 1
  css-sync table create LSST.Source --schema-file Source.schema --dir-table Object --dir-col objectId --scan-rating 2`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := f.table(cmd, p.Stdin, args[0])
			if err != nil {
				return err
			}
			var opts []cssetcd.WriteOption
			if f.ifNotExists {
				opts = append(opts, cssetcd.IfNotExists())
			}
			if f.unqueryable {
				opts = append(opts, cssetcd.AllowUnqueryable())
			}
			say := outcome{"table " + args[0] + " created", "the table " + args[0] + " exists"}
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				rev, err := css.CreateTable(ctx, t, opts...)
				if errors.Is(err, cssetcd.ErrUnqueryable) {
					err = cli.Hinted(err, "--allow-unqueryable creates it nevertheless")
				}
				return rev, err
			})
		},
	}
	f.register(cmd)
	p.CompleteFlag(cmd, "dir-db", cli.DatabaseNames)
	p.CompleteFlag(cmd, "match-table1", cli.TableNames)
	p.CompleteFlag(cmd, "match-table2", cli.TableNames)
	return cmd
}

func (f *tableCreateFlags) register(cmd *cobra.Command) {
	f.schema.register(cmd)
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.director, "director", false, "the table is a director: it decides where rows go")
	flags.StringVar(&f.part.DirDB, "dir-db", "", "database of the director table (default: that of the table)")
	flags.StringVar(&f.part.DirTable, "dir-table", "", "the director table")
	flags.StringVar(&f.part.DirColumn, "dir-col", "", "column that holds the director's key")
	flags.StringVar(&f.part.LatColumn, "lat-col", "", "declination column")
	flags.StringVar(&f.part.LonColumn, "lon-col", "", "right ascension column")
	flags.Float64Var(&f.part.Overlap, "overlap", 0, "overlap in degrees; 0: that of the database")
	flags.BoolVar(&f.part.SubChunks, "sub-chunks", false, "cut chunks into sub-chunks")
	flags.StringVar(&f.match.DirTable1, "match-table1", "", "first director table of a match table, of its own database")
	flags.StringVar(&f.match.DirColumn1, "match-col1", "", "column that holds the key of the first")
	flags.StringVar(&f.match.DirTable2, "match-table2", "", "second director table")
	flags.StringVar(&f.match.DirColumn2, "match-col2", "", "column that holds the key of the second")
	flags.StringVar(&f.match.FlagColumn, "match-flag", "", "flag column of a match table")
	flags.Float64Var(&f.match.AngSep, "ang-sep", 0, "greatest distance of matched rows in degrees")
	flags.IntVar(&f.scan.Rating, "scan-rating", 0, "1 to 3: the higher, the slower the shared scan")
	flags.BoolVar(&f.scan.LockInMem, "lock-in-mem", false, "keep chunks in memory while they are scanned")
	flags.StringVar(&f.status, "status", string(cssetcd.StatusReady), "status of the new table")
	flags.BoolVar(&f.unqueryable, "allow-unqueryable", false, "create it also when no czar can query it")
	flags.BoolVar(&f.ifNotExists, "if-not-exists", false, "succeed when the table exists, whatever it looks like")
}

// table makes the table that the flags describe.
func (f *tableCreateFlags) table(cmd *cobra.Command, stdin io.Reader, arg string) (cssetcd.Table, error) {
	var t cssetcd.Table
	var err error
	if t.Name, err = cssetcd.ParseTableName(arg); err != nil {
		return t, err
	}
	if t.Status, err = parseStatus(f.status); err != nil {
		return t, err
	}
	given := func(names []string) (any bool) {
		for _, name := range names {
			any = any || cmd.Flags().Changed(name)
		}
		return any
	}
	if f.director {
		if given([]string{"dir-db", "dir-table"}) {
			return t, cli.InvalidUse(cmd, "--director makes the table its own director; leave out --dir-db and --dir-table")
		}
		f.part.DirTable = t.Name.Table
	}
	if f.part.DirDB == "" {
		f.part.DirDB = t.Name.DB
	}
	if given(partFlags) {
		t.Partitioning = &f.part
	}
	if given(matchFlags) {
		t.Match = &f.match
	}
	if given(scanFlags) {
		t.SharedScan = &f.scan
	}
	t.Schema, err = f.schema.read(cmd, stdin)
	return t, err
}
