package mirror_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/internal/testkit/upstream"
	"github.com/qserv/css-etcd/mirror"
)

// ingest is a program that writes catalogues into kvData as upstream's controller does, one table after the other.
type ingest struct {
	conn *sql.Conn
	db   string
	made int
}

func (w *world) ingest(db string) *ingest {
	w.t.Helper()
	conn, err := w.sql.Conn(w.t.Context())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, conn.Close()) })
	return &ingest{conn: conn, db: "/DBS/" + db}
}

// run makes, changes and drops tables until ctx ends. An error is one that upstream would have met.
func (i *ingest) run(ctx context.Context) error {
	if err := i.transact(ctx, i.inserts("/DBS", i.db, "READY", i.db, i.db+"/TABLES", "")...); err != nil {
		return err
	}
	for ctx.Err() == nil {
		i.made++
		table := fmt.Sprintf("%s/TABLES/T%d", i.db, i.made)
		for _, statements := range [][]string{
			i.inserts(i.db+"/TABLES", table, "DO_NOT_USE"),
			i.inserts(table, table+"/schema", "(a INT)", table, table+"/CHUNKS", "", table+"/CHUNKS", table+"/CHUNKS/7", ""),
			{fmt.Sprintf("UPDATE kvData SET kvVal = 'READY' WHERE kvKey = '%s'", table)},
		} {
			if err := i.transact(ctx, statements...); err != nil {
				return err
			}
		}
		if i.made%3 == 0 {
			if err := i.transact(ctx, i.deletes(table+"/CHUNKS/7", table+"/CHUNKS", table+"/schema", table)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// inserts reads the parent's id and inserts with it, as upstream does: two INSERT ... SELECT can be each other's
// deadlock, with nobody else there.
func (i *ingest) inserts(parentsKeysAndValues ...string) (statements []string) {
	for n := 0; n < len(parentsKeysAndValues); n += 3 {
		statements = append(statements,
			fmt.Sprintf("SET @parent = (SELECT kvId FROM kvData WHERE kvKey = '%s')", parentsKeysAndValues[n]),
			fmt.Sprintf("INSERT INTO kvData (kvKey, kvVal, parentKvId) VALUES ('%s', '%s', @parent)",
				parentsKeysAndValues[n+1], parentsKeysAndValues[n+2]))
	}
	return statements
}

func (i *ingest) deletes(keys ...string) (statements []string) {
	for _, key := range keys {
		statements = append(statements, fmt.Sprintf("DELETE FROM kvData WHERE kvKey = '%s'", key))
	}
	return statements
}

// transact runs statements in a transaction, each of which but SET changes one row.
func (i *ingest) transact(ctx context.Context, statements ...string) error {
	ctx = context.WithoutCancel(ctx)
	all := append(append([]string{"START TRANSACTION"}, statements...), "COMMIT")
	outcomes, err := upstream.Run(ctx, i.conn, all...)
	if err != nil {
		return err
	}
	for n, o := range outcomes {
		switch {
		case o.Error != 0:
			return fmt.Errorf("%s: %s", all[n], o.Text)
		case n > 0 && n <= len(statements) && !strings.HasPrefix(all[n], "SET") && o.Affected != 1:
			return fmt.Errorf("%s: %d rows", all[n], o.Affected)
		}
	}
	return nil
}

// ingests lets several such programs write until stop is called, which returns their first error.
func (w *world) ingests(n int) (stop func() error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	var all sync.WaitGroup
	var failed atomic.Value
	for k := range n {
		in := w.ingest(fmt.Sprintf("ingest%d", k))
		all.Go(func() {
			if err := in.run(ctx); err != nil {
				failed.CompareAndSwap(nil, err)
			}
		})
	}
	stop = sync.OnceValue(func() error {
		cancel()
		all.Wait()
		err, _ := failed.Load().(error)
		return err
	})
	w.t.Cleanup(func() { _ = stop() })
	return stop
}

// upstreams makes kvData as upstream alone leaves it.
func (w *world) upstreams() {
	w.t.Helper()
	require.NoError(w.t, errors.Join(w.etcdForgets(), w.databaseOf()))
	w.exec(`CREATE TABLE kvData (kvId INT NOT NULL AUTO_INCREMENT, kvKey CHAR(255) NOT NULL, kvVal TEXT NOT NULL,
		parentKvId INT NULL, PRIMARY KEY (kvId), UNIQUE KEY kvData_kvKey_UNIQUE (kvKey),
		KEY kvData_parent_key (parentKvId), CONSTRAINT kvData_parent_key FOREIGN KEY (parentKvId) REFERENCES kvData (kvId)
		) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci`)
	w.exec(`INSERT INTO kvData VALUES (1, '', '', NULL), (2, '/css_meta', '', 1), (3, '/css_meta/version', '1', 2),
		(4, '/DBS', '', 1), (5, '/DBS/old', 'READY', 4)`)
}

func (w *world) etcdForgets() error {
	_, err := w.etcd.Delete(w.t.Context(), w.prefix+"/css/css_meta/version")
	return err
}

func (w *world) databaseOf() error {
	admin := openSQL(w.t, testkit.SharedMariaDB(w.t).Config(""))
	_, err := admin.Exec("CREATE DATABASE " + w.target.DBName + " CHARACTER SET utf8mb3")
	return err
}

func (w *world) importing() mirror.Import { return mirror.Import{Client: w.client, Target: w.target} }

// settled waits until kvData, as it is once nobody writes, is in etcd.
func (w *world) settled() {
	w.t.Helper()
	w.rest()
	s, err := w.client.Snapshot(w.t.Context(), 0)
	require.NoError(w.t, err)
	have := map[string]string{}
	for key, e := range s.Below("") {
		have[key] = e.Value
	}
	want := map[string]string{}
	for key, r := range w.rows() {
		if key != "" {
			want[key] = r.value
		}
	}
	require.Equal(w.t, want, have)
}

// Rule: a kvData that others write is taken into etcd and left to them again while they go on: no statement of theirs
// fails, and nothing of what they wrote is missing.
func TestImportAndLeaveWhileOthersWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.upstreams()
	stop := w.ingests(2)
	time.Sleep(200 * time.Millisecond) // let there be something to import
	res, err := w.importing().Run(t.Context())
	require.NoError(t, err)
	assert.Positive(t, res.Revision)

	m := w.mirror(w.sharing)
	end := w.run(m)
	awaitStatus(t, m, following)
	for n := range 20 {
		_, err := w.client.CreateDatabase(t.Context(), cssetcd.Database{Name: fmt.Sprintf("go%d", n)})
		require.NoError(t, err)
	}
	require.NoError(t, stop(), "what others write is answered as if nobody else were there")
	w.settled()
	assert.Empty(t, w.conflicts())

	stop = w.ingestsMore()
	left, err := mirror.Leave(t.Context(), w.target, w.client, w.taker(), patience, false)
	require.NoError(t, err)
	assert.Empty(t, left.Newer)
	awaitStatus(t, m, has(mirror.LeftToMySQL))
	time.Sleep(200 * time.Millisecond)
	require.NoError(t, stop())
	end()
	frozen, err := w.client.Snapshot(t.Context(), left.Revision)
	require.NoError(t, err)
	now, err := w.client.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, frozen.Len(), now.Len(), "etcd is as it was when kvData was left")

	again := w.importing()
	_, err = again.Run(t.Context())
	require.ErrorIs(t, err, cssetcd.ErrNotEmpty)
	again.Overwrite = true
	_, err = again.Run(t.Context())
	require.NoError(t, err)
	w.once(w.sharing)
	w.settled()
}

func (w *world) ingestsMore() (stop func() error) {
	ctx, cancel := context.WithCancel(w.t.Context())
	in := w.ingest("more")
	done := make(chan error, 1)
	go func() { done <- in.run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	w.t.Cleanup(func() { _ = stop() })
	return stop
}

// Rule: all faults of a kvData are told before anything is changed.
func TestImportNamesAllFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.upstreams()
	w.exec(`INSERT INTO kvData VALUES (10, '/DBS/old/a//b', '', 5), (11, '/x/y', '', 1), (12, '/DBS/na.me', '', 4),
		(13, '/m', '', 5)`)
	_, err := w.importing().DryRun(t.Context())
	require.ErrorIs(t, err, mirror.ErrTable)
	for _, fault := range []string{"/DBS/old/a//b", `"/x/y" has none above it`, "na.me", `"/m" has the parentKvId 5`} {
		assert.ErrorContains(t, err, fault)
	}
	before := w.rows()
	_, err = w.importing().Run(t.Context())
	require.ErrorIs(t, err, mirror.ErrTable)
	after := w.rows()
	delete(after, "/NODES")
	assert.Equal(t, before, after)
}

// Rule: what one database is, can be tried without anything being changed in MySQL.
func TestImportOfOneDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.upstreams()
	w.exec("INSERT INTO kvData VALUES (10, '/DBS/other', 'READY', 4)")
	part := w.importing()
	part.Only = mirror.OfDatabase("old")
	_, err := part.Part(t.Context())
	require.NoError(t, err)
	databases, err := w.client.Databases(t.Context())
	require.NoError(t, err)
	var names []string
	for d, err := range databases {
		require.NoError(t, err)
		names = append(names, d.Name)
	}
	assert.Equal(t, []string{"old"}, names)
	var tables int
	require.NoError(t, w.sql.QueryRow("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()").
		Scan(&tables))
	assert.Equal(t, 1, tables)
}
