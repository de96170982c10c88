package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/diff"
)

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
	return p.Print(struct {
		writeResult
		Tables int `json:"tables"`
	}{writeResult{rev, rev != 0}, len(tables)}, func(w io.Writer) {
		if rev == 0 {
			fmt.Fprintf(w, "nothing to do: the database %s exists with %s like those of %s\n", name,
				cli.Count(len(tables), "table"), like)
			return
		}
		fmt.Fprintf(w, "database %s created with %s like those of %s, revision %d\n", name, cli.Count(len(tables), "table"),
			like, rev)
	})
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
