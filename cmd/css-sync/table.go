package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func tableCommand(p *program) *cobra.Command {
	return catalogueGroup("table", "List, show, create, change and drop tables",
		tableList(p), tableShow(p), tableCreate(p), tableSetStatus(p), tableSetSchema(p), tableSetScan(p), tableDrop(p))
}

// kindOf says in a word how a table is spread over the workers.
func kindOf(t *cssetcd.Table) string {
	p := t.Partitioning
	switch {
	case t.Match != nil:
		return "match"
	case p == nil:
		return "whole"
	case p.DirDB == t.Name.DB && p.DirTable == t.Name.Table:
		return "director"
	}
	return "child"
}

// writeTable is write for one table, given by its argument.
func (p *program) writeTable(ctx context.Context, arg string, say outcome,
	do func(context.Context, *cli.Catalogue, cssetcd.TableName) (cssetcd.Revision, error)) error {
	name, err := cssetcd.ParseTableName(arg)
	if err != nil {
		return err
	}
	return p.write(ctx, say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision,
		error) {
		return do(ctx, css, name)
	})
}
