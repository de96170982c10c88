package main

import (
	"context"
	"io"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func dbCommand(p *program) *cobra.Command {
	return catalogueGroup("db", "List, show, create, change and drop databases",
		dbList(p), dbShow(p), dbFamilies(p), dbCreate(p), dbSetStatus(p), dbDrop(p))
}

func dbList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the databases", Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				all, err := css.Databases(ctx)
				if err != nil {
					return err
				}
				return p.printDatabases(all)
			})
		},
	}
}

func (p *program) printDatabases(all iter.Seq2[cssetcd.DatabaseListing, error]) error {
	views := []databaseView{}
	var bad unreadables
	for db, err := range all {
		if err != nil {
			name, reason := bad.add(err)
			views = append(views, databaseView{Name: name, Error: reason})
			continue
		}
		v, n := viewDatabase(db.Database), len(db.Tables)
		v.Tables = &n
		views = append(views, v)
	}
	t := cli.Table{Header: []string{"DATABASE", "STATUS", "TABLES", "STRIPES", "SUB-STRIPES", "OVERLAP", "STORAGE",
		"RELEASE"}}
	for _, v := range views {
		t.Rows = append(t.Rows, v.row())
	}
	if err := p.Print(views, t.Write); err != nil {
		return err
	}
	return bad.err("database")
}

func (v databaseView) row() []string {
	if v.Error != "" {
		return []string{v.Name, "unreadable"}
	}
	row := []string{v.Name, string(v.Status), strconv.Itoa(*v.Tables), "", "", "", v.StorageClass, v.ReleaseStatus}
	if s := v.Striping; s != nil {
		row[3], row[4], row[5] = strconv.Itoa(s.Stripes), strconv.Itoa(s.SubStripes), cli.Degrees(s.Overlap)
	}
	return row
}

func dbShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show DATABASE", Short: "Show one database", Args: cli.Takes("DATABASE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				db, err := css.Database(ctx, args[0])
				if err != nil {
					return err
				}
				v := viewDatabase(db)
				return p.Print(v, v.write)
			})
		},
	}
}

func (v databaseView) write(w io.Writer) {
	f := cli.Facts{
		{"database", v.Name}, {"status", string(v.Status)},
		{"storage class", v.StorageClass}, {"release status", v.ReleaseStatus},
	}
	if s := v.Striping; s != nil {
		f = append(f, [][2]string{
			{"partitioning", s.ID}, {"stripes", strconv.Itoa(s.Stripes)}, {"sub-stripes", strconv.Itoa(s.SubStripes)},
			{"overlap", cli.Degrees(s.Overlap) + " degrees"},
		}...)
	}
	append(f, revisions(v.Incarnation, v.Modified)...).Write(w)
}

func revisions(created, modified cssetcd.Revision) cli.Facts {
	return cli.Facts{
		{"created at revision", strconv.FormatInt(int64(created), 10)},
		{"written at revision", strconv.FormatInt(int64(modified), 10)},
	}
}
