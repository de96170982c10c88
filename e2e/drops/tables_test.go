package drops_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

// still is the table that nobody drops; the others of the lanes are in lanesDB.
var still = cssetcd.TableName{DB: "Still", Table: "Object"}

const (
	lanesDB     = "LSST"
	tempDB      = "Temp" // made and dropped with its tables
	firstChunk  = 1234
	chunksEach  = 6
	chunkRows   = 3
	patientTime = 2 * time.Minute // for one write while etcd is in trouble
)

// chunksOf returns the chunks of each table by the node that holds them.
func chunksOf() map[int]string {
	all := map[int]string{}
	for i := range chunksEach {
		all[firstChunk+i] = fmt.Sprintf("worker-%d", i%2+1)
	}
	return all
}

// surely tries again until etcd answers. Errors that say that an earlier attempt has done it are success.
func surely(ctx context.Context, try func(context.Context) error, fine ...error) error {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := try(attempt)
		cancel()
		again := errors.Is(err, cssetcd.ErrUnavailable) || errors.Is(err, cssetcd.ErrOutcomeUnknown) ||
			errors.Is(err, cssetcd.ErrContended) || errors.Is(err, context.DeadlineExceeded)
		switch {
		case err == nil || slices.ContainsFunc(fine, func(f error) bool { return errors.Is(err, f) }):
			return nil
		case !again || time.Since(began) > patientTime || ctx.Err() != nil:
			return err
		}
	}
}

func (d *drops) createDatabase(ctx context.Context, db string) error {
	for _, worker := range d.workers {
		if _, err := worker.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS `"+db+"`"); err != nil {
			return err
		}
	}
	return surely(ctx, func(ctx context.Context) error {
		_, err := d.css.CreateDatabase(ctx, cssetcd.Database{
			Name: db, StorageClass: "L2", ReleaseStatus: "RELEASED",
			Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12, Overlap: 0.01667},
		})
		return err
	}, cssetcd.ErrDBExists)
}

// createTable makes a table that cannot be used, fills it on the workers with rows of its incarnation, and lets it be
// used.
func (d *drops) createTable(ctx context.Context, n cssetcd.TableName) error {
	table := cssetcd.Table{
		Name: n, Status: cssetcd.StatusIgnore, Schema: "(objectId BIGINT NOT NULL, ra DOUBLE, decl DOUBLE)",
		Partitioning: &cssetcd.Partitioning{
			DirDB: n.DB, DirTable: n.Table, DirColumn: "objectId", LatColumn: "decl", LonColumn: "ra", Overlap: 0.01,
			SubChunks: true,
		},
	}
	err := surely(ctx, func(ctx context.Context) error {
		var b cssetcd.Batch
		b.CreateTable(table)
		for id, node := range chunksOf() {
			b.AddChunk(n, id, node)
		}
		_, err := d.css.Commit(ctx, &b)
		return err
	}, cssetcd.ErrTableExists)
	if err != nil {
		return err
	}
	var made *cssetcd.Table
	err = surely(ctx, func(ctx context.Context) (err error) { made, err = d.css.Table(ctx, n); return err })
	if err != nil {
		return err
	}
	for node, worker := range d.workers {
		if err := fill(ctx, worker, n, node, made.Incarnation); err != nil {
			return err
		}
	}
	return surely(ctx, func(ctx context.Context) error {
		_, err := d.css.SetTableStatus(ctx, n, cssetcd.StatusReady)
		return err
	})
}

// fill makes the tables of one worker.
func fill(ctx context.Context, worker *sql.DB, n cssetcd.TableName, node string, incarnation cssetcd.Revision) error {
	rows := make([]string, chunkRows)
	for i := range rows {
		rows[i] = fmt.Sprintf("(%d, %d)", i+1, incarnation)
	}
	for id, holder := range chunksOf() {
		for _, name := range physical(n, id) {
			if holder != node {
				continue
			}
			for _, statement := range []string{
				"CREATE TABLE " + name + " (objectId BIGINT PRIMARY KEY, incarnation BIGINT NOT NULL) ENGINE=MyISAM",
				"INSERT INTO " + name + " VALUES " + strings.Join(rows, ", "),
			} {
				if _, err := worker.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("on %s: %s: %w", node, statement, err)
				}
			}
		}
	}
	return nil
}

// physical returns the tables of MySQL for one chunk.
func physical(n cssetcd.TableName, chunk int) []string {
	return []string{
		fmt.Sprintf("`%s`.`%s_%d`", n.DB, n.Table, chunk),
		fmt.Sprintf("`%s`.`%sFullOverlap_%d`", n.DB, n.Table, chunk),
	}
}

// inCatalogue returns what must be on the workers, and the records of spellings that must be in etcd.
func (d *drops) inCatalogue() (tables, spellings []string) {
	d.t.Helper()
	s, err := d.css.Snapshot(d.t.Context(), 0)
	require.NoError(d.t, err)
	for db, err := range s.Databases() {
		require.NoError(d.t, err)
		below := d.css.Prefix() + "/fold/dbs/" + strings.ToLower(db.Name)
		spellings = append(spellings, below)
		for t, err := range s.Tables(db.Name) {
			require.NoError(d.t, err)
			spellings = append(spellings, below+"/tables/"+strings.ToLower(t.Name.Table))
			for id, node := range chunksOf() {
				for _, name := range physical(t.Name, id) {
					tables = append(tables, node+" "+name)
				}
			}
		}
	}
	return tables, spellings
}

// tablesOnWorkers returns what is on the workers, but for the markers of drops.
func (d *drops) tablesOnWorkers() (all []string) {
	d.t.Helper()
	for node, worker := range d.workers {
		names, err := tablesOf(d.t.Context(), worker,
			"TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema', 'css_drops')")
		require.NoError(d.t, err)
		for _, name := range names {
			all = append(all, node+" "+name)
		}
	}
	return all
}

func tablesOf(ctx context.Context, worker *sql.DB, where string, args ...any) (all []string, err error) {
	const names = "SELECT CONCAT('`', TABLE_SCHEMA, '`.`', TABLE_NAME, '`') FROM information_schema.TABLES WHERE "
	rows, err := worker.QueryContext(ctx, names+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		all = append(all, name)
	}
	return all, rows.Err()
}
