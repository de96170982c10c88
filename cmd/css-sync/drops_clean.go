package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
	"github.com/qserv/css-etcd/internal/cli"
)

const cleanHelp = `Remove the markers from workers that drops have left there and nobody can need any more, and say of each other one why it stays.

For each table that was dropped, css-sync serve --worker-dsn leaves an empty table on each server, css_drops.css_spent_..., of about 68 KB. It keeps an attempt that was paused,
and goes on when a new table has the name, from removing that one. A marker may go when its drop has ended, is older than --older-than, and no attempt to remove data is
connected to the server, since one that is might have begun before the drop ended. One that connects later asks whether its drop has ended.

Give the servers and users that css-sync serve is given: a user sees its own connections, and those of others only with the privilege PROCESS. Do not
restore a backup of etcd that is older than --older-than without css-sync history-reset.

With -w json a list of {"server","marker","of","age_seconds","removed","stays"}: of is what was dropped, in words, stays why the marker is not removed.`

// markerView is the JSON form of a marker.
type markerView struct {
	Server     string `json:"server"`
	Marker     string `json:"marker"`
	Of         string `json:"of"`
	AgeSeconds int64  `json:"age_seconds"`
	Removed    bool   `json:"removed"`
	Stays      string `json:"stays,omitempty"`
}

func dropsClean(p *program) *cobra.Command {
	var workers cli.WorkerFlags
	var olderThan time.Duration
	var dryRun bool
	cmd := &cobra.Command{
		Use: "clean", Short: "Remove what drops have left on workers and nobody needs any more", Args: cli.Takes(),
		Long: cleanHelp,
		Example: "  css-sync drops clean --worker-dsn-file /secrets/workers --dry-run\n  css-sync drops clean " +
			"--worker-dsn-file /secrets/workers --older-than 720h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if olderThan < 0 {
				return cli.InvalidUse(cmd, "--older-than is %s and must be 0 or above", olderThan)
			}
			if err := workers.Read(cmd, p.Connection.DialTimeout); err != nil {
				return err
			}
			if len(workers.Servers) == 0 {
				return cli.InvalidUse(cmd, "where are the workers? give --worker-dsn or --worker-dsn-file")
			}
			return p.AtLength(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				if _, err := deletion.NewClient(css.Client); err != nil { // there are no drops on a file
					return err
				}
				dropper, err := sqldrop.New(sqldrop.Config{Servers: workers.Servers, Logger: p.Log})
				if err != nil {
					return err
				}
				underWay := func(ctx context.Context) ([]coordinator.Job, error) { return coordinator.Jobs(ctx, css.Client) }
				all, err := dropper.Clean(ctx, underWay, olderThan, dryRun)
				views := viewMarkers(all, dryRun)
				return errors.Join(p.Print(views, func(w io.Writer) { writeMarkers(w, views, dryRun) }), err)
			})
		},
	}
	workers.Register(cmd, "clean")
	cmd.Flags().DurationVar(&olderThan, "older-than", 7*24*time.Hour, "leave markers that are younger")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be removed, and remove nothing")
	return cmd
}

func viewMarkers(all []sqldrop.Marker, dryRun bool) []markerView {
	views := []markerView{} // and not null in JSON
	for _, m := range all {
		views = append(views, markerView{m.Server, m.Name, m.Of, int64(m.Age / time.Second), m.Stays == "" &&
			!dryRun, m.Stays})
	}
	return views
}

func writeMarkers(w io.Writer, views []markerView, dryRun bool) {
	done := "removed"
	if dryRun {
		done = "would be removed"
	}
	t := cli.Table{Header: []string{"SERVER", "OF", "AGE", "MARKER"}}
	for _, v := range views {
		what := done
		if v.Stays != "" {
			what = "stays: " + v.Stays
		}
		t.Rows = append(t.Rows, []string{v.Server, v.Of, (time.Duration(v.AgeSeconds) * time.Second).String(), what})
	}
	t.Write(w)
}
