package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/batch"
	"github.com/qserv/css-etcd/internal/cli"
)

func batchCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "batch FILE", Short: "Do several things to the catalogue, all at one revision or none", GroupID: groupCatalogue,
		Args: cli.Takes("FILE"),
		Long: `Do what the lines of a file say, - for standard input, in one transaction: all of it happens at one revision, or nothing. Each line is a JSON
object. Its "op" is one of

  ` + strings.Join(batch.Names(), ", ") + `

and its other fields are those that ` + "`show -w json`" + ` prints of such a thing, with the names that the flags of the command have besides:
"if_not_exists", "if_exists", "if_status", "if_revision", "like", "force", "allow_unqueryable". A line sees what those before it do; what one has dropped
none can make again. Empty lines, and those that begin with #, are left out.

What is dropped so goes at once, which is refused while czars are registered unless "force" is true. What etcd cannot hold in one transaction
is refused, too.`,
		Example: `  css-sync batch - <<'END'
  {"op":"db create","name":"LSST","striping":{"stripes":340,"sub_stripes":3,"overlap":0.01667}}
  {"op":"table create","database":"LSST","table":"Filter","schema":"(id INT)"}
  {"op":"node set-state","name":"worker-1","state":"INACTIVE","if_status":"ACTIVE"}
  END`,
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := cli.Reading(cmd.Context(), args[0], p.Stdin, batch.Read)
			if err != nil {
				return cli.BadInput("batch: %w", err)
			}
			say := outcome{fmt.Sprintf("%s done", cli.Plural(b.Operations, "operation", "operations")),
				"all is as the batch says already"}
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				return css.Commit(ctx, b.Batch)
			})
		},
	}
}
