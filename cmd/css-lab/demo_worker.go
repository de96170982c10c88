package main

import (
	"context"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
	"github.com/qserv/css-etcd/internal/survey"
)

// The tables that queries use.
var (
	demoHurt  = survey.NewTable().Name // is dropped at once
	demoDrop  = cssetcd.TableName{DB: survey.Year1, Table: "LightCurve"}
	demoOther = cssetcd.TableName{DB: survey.Year1, Table: "Object"}
)

// hurtChunks is how many chunks the table gets that the demo has created.
const hurtChunks = 3

// fillWorker makes the chunk tables of the tables that queries use, and returns their number.
func (d *demo) fillWorker(ctx context.Context) (made int, err error) {
	rev, err := d.addChunks(ctx)
	if err != nil {
		return 0, err
	}
	s, err := d.view.WaitRevision(ctx, rev)
	if err != nil {
		return 0, err
	}
	for _, n := range []cssetcd.TableName{demoHurt, demoDrop, demoOther} {
		t, err := s.Table(n)
		if err != nil {
			return 0, err
		}
		pieces, err := piecesOf(s, t)
		if err != nil {
			return 0, err
		}
		for _, p := range pieces {
			if err := d.makePiece(ctx, p, t.Schema); err != nil {
				return 0, err
			}
		}
		made += len(pieces)
	}
	return made, nil
}

// addChunks gives the new table some chunks of its director.
func (d *demo) addChunks(ctx context.Context) (rev cssetcd.Revision, err error) {
	added := 0
	for chunk, err := range d.view.Snapshot().Chunks(demoOther) {
		if err != nil {
			return 0, err
		}
		if rev, err = d.css.AddChunk(ctx, demoHurt, chunk.ID, chunk.Nodes...); err != nil {
			return 0, err
		}
		if added++; added == hurtChunks {
			break
		}
	}
	return rev, nil
}

// makePiece makes a chunk table with some rows. Only objectId has values.
func (d *demo) makePiece(ctx context.Context, p piece, schema string) error {
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS " + quoteSQL(p.db),
		"CREATE TABLE " + p.String() + " " + schema,
		"INSERT IGNORE INTO " + p.String() + " (objectId) VALUES (1), (2), (3), (4), (5)",
	} {
		if _, err := d.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make the chunk table %s: %w", p, err)
		}
	}
	return nil
}

// piecesLeft counts the chunk tables of a table on the worker.
func (d *demo) piecesLeft(ctx context.Context, n cssetcd.TableName) (left int, err error) {
	err = d.db.QueryRowContext(ctx,
		"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE ?",
		n.DB, n.Table+`\_%`).Scan(&left)
	return left, err
}

// startDrops makes what removes tables from the worker, and runs the coordinator of drops until the demo ends.
func (d *demo) startDrops(ctx context.Context) (err error) {
	if d.drops, err = deletion.NewClient(d.css); err != nil {
		return err
	}
	d.dropper = coordinator.Nothing{}
	if d.maria != nil {
		if d.dropper, err = sqldrop.New(sqldrop.Config{Servers: []*mysql.Config{d.maria.Config("")}}); err != nil {
			return err
		}
	}
	c, err := coordinator.New(coordinator.Config{Catalogue: d.css, View: d.view, Dropper: d.dropper})
	if err != nil {
		return err
	}
	d.runUntilClose(ctx, func(ctx context.Context) {
		_ = c.Run(ctx) // ends with ctx; where it ended before, the drop is waited for in vain, which is told
	})
	return nil
}

// jobOf describes a table to what removes it, as a coordinator does.
func (d *demo) jobOf(ctx context.Context, t *cssetcd.Table) (coordinator.Job, error) {
	here, err := d.css.Identity(ctx)
	return coordinator.Job{
		Database: t.Name.DB, Incarnation: t.Incarnation, History: here.History,
		Tables: []coordinator.JobTable{{Table: t.Name.Table, Incarnation: t.Incarnation, ChunkLevel: t.ChunkLevel()}},
	}, err
}
