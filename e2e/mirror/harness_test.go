package mirror_test

import (
	"database/sql"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const schema = "qservCssData"

// world is one etcd, one MariaDB and the clients of a test.
type world struct {
	t      *testing.T
	etcd   *embedetcd.Server
	raw    *clientv3.Client
	client *cssetcd.Client
	maria  *mariadbd.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, maria: testkit.MariaDB(t, mariadbd.Options{})}
	// The long forms write more history than etcd's default quota holds.
	w.etcd = testkit.Etcd(t, embedetcd.Options{AutoCompaction: time.Minute, Quota: 8 << 30})
	var err error
	w.raw = testkit.ClientOf(t, w.etcd)
	w.client, err = cssetcd.New(t.Context(), w.raw)
	require.NoError(t, err)
	return w
}

// args are the connection flags of css-sync in this world. A machine that is busy with other tests gets more time than
// an operator would wait.
func (w *world) args(command ...string) []string {
	return append(command, "--endpoints", strings.Join(w.etcd.Endpoints(), ","), "--mysql-dsn", w.maria.DSN(schema),
		"--dial-timeout", "60s", "--command-timeout", "120s")
}

// do runs css-sync to its end, which must be a success.
func (w *world) do(command ...string) {
	w.t.Helper()
	code, out := testkit.Run(w.t.Context(), w.t, testkit.Program(w.t, "css-sync"), w.args(command...)...)
	require.Equal(w.t, 0, code, "css-sync %q:\n%s", command, out)
}

// start starts css-sync; it is killed at the end of the test at the latest.
func (w *world) start(command ...string) *testkit.Process {
	w.t.Helper()
	return testkit.StartForTest(w.t, exec.Command(testkit.Program(w.t, "css-sync"), w.args(command...)...))
}

// serve starts the daemon. A killed one is replaced quickly.
func (w *world) serve() *testkit.Process {
	return w.start("serve", "--session-ttl", "2s", "--compare-every", "1s")
}

// db opens the mirrored database; it survives restarts of the server.
func (w *world) db() *sql.DB {
	w.t.Helper()
	// Not by DSN: the server's own configuration keeps the driver from printing when the server is killed.
	connector, err := mysql.NewConnector(w.maria.Config(schema))
	require.NoError(w.t, err)
	db := sql.OpenDB(connector)
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

// awaitLatest waits until the mirror has applied what etcd has now.
func (w *world) awaitLatest(db *sql.DB, limit time.Duration, p *testkit.Process) {
	w.t.Helper()
	r, err := w.raw.Get(w.t.Context(), "none")
	require.NoError(w.t, err)
	w.awaitApplied(db, r.Header.Revision, limit, p)
}

// awaitApplied waits until the mirror has applied rev or later.
func (w *world) awaitApplied(db *sql.DB, rev int64, limit time.Duration, p *testkit.Process) {
	w.t.Helper()
	var applied int64
	var last error
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		last = db.QueryRow("SELECT applied FROM css_mirror_state").Scan(&applied)
		if last == nil && applied >= rev {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("after %s the mirror has applied revision %d and not %d (%v)\n%s", limit, applied, rev, last, p.Log())
		}
		select {
		case <-p.Done():
			w.t.Fatalf("css-sync serve ended by itself: %s\n%s", p.State(), p.Log())
		default:
		}
	}
}

// agree runs check and requires that MySQL equals etcd.
func (w *world) agree() {
	w.t.Helper()
	w.do("check")
}

// foreign returns what the mirror took for the work of others.
func (w *world) foreign(db *sql.DB) (keys []string) {
	w.t.Helper()
	rows, err := db.Query("SELECT css_key FROM css_mirror_foreign")
	require.NoError(w.t, err)
	defer rows.Close()
	for rows.Next() {
		var key string
		require.NoError(w.t, rows.Scan(&key))
		keys = append(keys, key)
	}
	require.NoError(w.t, rows.Err())
	return keys
}

// kvIDs returns the kvId of every row whose key begins with prefix.
func kvIDs(t *testing.T, db *sql.DB, prefix string) map[string]int64 {
	t.Helper()
	rows, err := db.Query("SELECT kvKey, kvId FROM kvData WHERE LEFT(kvKey, ?) = BINARY ?", len(prefix), prefix)
	require.NoError(t, err)
	defer rows.Close()
	ids := map[string]int64{}
	for rows.Next() {
		var key string
		var id int64
		require.NoError(t, rows.Scan(&key, &id))
		ids[key] = id
	}
	require.NoError(t, rows.Err())
	return ids
}

// object is a director table of a database.
func object(db, table string) cssetcd.Table {
	return cssetcd.Table{
		Name: cssetcd.TableName{DB: db, Table: table}, Schema: "(objectId BIGINT NOT NULL, ra DOUBLE, decl DOUBLE)",
		Partitioning: &cssetcd.Partitioning{
			DirDB: db, DirTable: table, DirColumn: "objectId", LatColumn: "decl", LonColumn: "ra", Overlap: 0.01,
			SubChunks: true,
		},
		SharedScan: &cssetcd.SharedScan{LockInMem: true, Rating: 1},
	}
}

// seed makes a catalogue of one database with a few tables that later steps leave alone.
func (w *world) seed(db string, tables int) {
	w.t.Helper()
	testkit.OK(w.t)(w.client.CreateDatabase(w.t.Context(), cssetcd.Database{
		Name: db, StorageClass: "L2", ReleaseStatus: "RELEASED",
		Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12, Overlap: 0.01667},
	}))
	for i := range tables {
		testkit.OK(w.t)(w.client.CreateTable(w.t.Context(), object(db, fmt.Sprintf("Object%d", i))))
	}
}
