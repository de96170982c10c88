package mirror_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/internal/testkit"
)

const notKnown = "?"

// emptyInMySQL reads the empty chunks of a database as a C++ czar does.
func emptyInMySQL(t *testing.T, db *sql.DB, name string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT chunkId FROM "+name+"_EmptyChunks")
	if mysqlconn.NoSuchTable(err) {
		return notKnown
	}
	require.NoError(t, err)
	defer rows.Close()
	var ids []int
	for rows.Next() {
		var id int
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	set, err := chunkset.Of(ids...)
	require.NoError(t, err)
	return set.String()
}

func emptyIn(s *cssetcd.Snapshot, name string) string {
	set, err := s.EmptyChunks(name)
	if err != nil {
		return notKnown
	}
	return set.String()
}

// czar is one in Go that never restarts. It remembers each set that it saw of each database.
type czar struct {
	view *cssetcd.View
	mu   sync.Mutex
	saw  map[string]map[string]bool
}

func (w *world) czar(databases ...string) *czar {
	w.t.Helper()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: w.etcd.Endpoints()})
	require.NoError(w.t, err)
	client, err := cssetcd.New(w.t.Context(), etcd)
	require.NoError(w.t, err)
	c := &czar{saw: map[string]map[string]bool{}}
	c.view, err = cssetcd.OpenView(w.t.Context(), client)
	require.NoError(w.t, err)
	for _, name := range databases {
		c.saw[name] = map[string]bool{}
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	var following sync.WaitGroup
	changes := c.view.Subscribe()
	following.Go(func() {
		for u, err := changes.Next(ctx); err == nil; u, err = changes.Next(ctx) {
			c.mu.Lock()
			for _, name := range databases {
				c.saw[name][emptyIn(u.To, name)] = true
			}
			c.mu.Unlock()
		}
	})
	w.t.Cleanup(func() {
		cancel()
		following.Wait()
		c.view.Close()
		assert.NoError(w.t, etcd.Close())
	})
	return c
}

// ingest builds the table of a database as Qserv's ingest controller does, and calls after with the number of each
// step.
func ingest(t *testing.T, db *sql.DB, name, set string, after func(step int)) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	statements := []string{"START TRANSACTION", "DROP TABLE IF EXISTS " + name + "_EmptyChunks",
		"CREATE TABLE " + name + "_EmptyChunks (chunkId INT NOT NULL PRIMARY KEY) ENGINE=InnoDB", "START TRANSACTION"}
	for id := range chunkset.MustParse(set).All() {
		statements = append(statements, fmt.Sprintf("INSERT INTO %s_EmptyChunks VALUES (%d)", name, id))
	}
	for i, statement := range append(statements, "COMMIT") {
		_, err := conn.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
		after(i)
	}
}

// TestEmptyChunksOverKills: Qserv's ingest builds tables of empty chunks, and Go writers set others in etcd, while the
// daemon between them is killed at each step of it. Czars see whole sets only, and at rest all agree.
func TestEmptyChunksOverKills(t *testing.T) {
	testkit.Long(t, "it waits for a daemon to begin again and again")
	t.Parallel()
	w := newWorld(t)
	databases := []string{"Theirs", "Ours", "Both"}
	for _, name := range databases {
		testkit.OK(t)(w.client.CreateDatabase(t.Context(), cssetcd.Database{Name: name}))
	}
	w.do("mirror", "--once")
	w.do("mirror", "--capture", "install")
	db := w.db()
	daemon := w.serve()
	kill := func() {
		daemon.Kill()
		daemon = w.serve()
	}
	czars := []*czar{w.czar(databases...), w.czar(databases...)}
	all := func(name, set string) {
		t.Helper()
		w.eventually(func() bool {
			return emptyInMySQL(t, db, name) == set && emptyIn(czars[0].view.Snapshot(), name) == set &&
				emptyIn(czars[1].view.Snapshot(), name) == set
		}, name+" is "+set, daemon)
	}
	told := map[string]map[string]bool{"Theirs": {notKnown: true}, "Ours": {notKnown: true}}
	const steps = 8 // of a set of three
	for step := range steps {
		theirs, ours := fmt.Sprintf("%d,50,60", step), fmt.Sprintf("%d-%d", 100+step, 200+step)
		told["Theirs"][theirs], told["Ours"][ours] = true, true
		ingest(t, db, "Theirs", theirs, func(n int) {
			if n == step {
				kill()
			}
		})
		testkit.OK(t)(w.client.SetEmptyChunks(t.Context(), "Ours", chunkset.MustParse(ours)))
		if step%2 == 0 {
			kill()
		}
		all("Theirs", theirs)
		all("Ours", ours)
	}

	// Both at once, while nobody looks: etcd's counts, and what is lost is on record.
	all("Both", notKnown)
	daemon.Kill()
	ingest(t, db, "Both", "1-3", func(int) {})
	daemon = w.serve()
	all("Both", "1-3")
	daemon.Kill()
	ingest(t, db, "Both", "4-6", func(int) {})
	testkit.OK(t)(w.client.SetEmptyChunks(t.Context(), "Both", chunkset.MustParse("7-9")))
	daemon = w.serve()
	all("Both", "7-9")
	w.eventually(func() bool {
		var lost string
		err := db.QueryRow("SELECT COALESCE(lost, '') FROM css_mirror_empty WHERE db_name = 'Both'").Scan(&lost)
		return err == nil && lost == "4-6"
	}, "what was lost is on record", daemon)

	for i, c := range czars {
		c.mu.Lock()
		for name, sets := range told {
			for set := range c.saw[name] {
				assert.Contains(t, sets, set, "czar %d saw of %s what nobody said", i, name)
			}
		}
		assert.NotContains(t, c.saw["Both"], "4-6")
		c.mu.Unlock()
	}
	w.agree()
}
