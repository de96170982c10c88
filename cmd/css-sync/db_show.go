package main

import (
	"context"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func dbShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show DATABASE", Short: "Show one database", Args: cli.Takes("DATABASE"),
		ValidArgsFunction: p.Completes(cli.DatabaseNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				db, err := css.Database(ctx, args[0])
				if err != nil {
					return err
				}
				v := form.OfDatabase(db)
				return p.Print(v, func(w io.Writer) { writeDatabase(w, v) })
			})
		},
	}
}

func writeDatabase(w io.Writer, v form.Database) {
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
