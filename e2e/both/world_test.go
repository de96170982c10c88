package both_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
)

const schema = "qservCssData"

// world is an etcd of three members, a MariaDB and two daemons, each of which has connections of its own that can be
// broken.
type world struct {
	t         *testing.T
	members   *testkit.Members
	etcd      *clientv3.Client // past the proxies
	css       *cssetcd.Client
	maria     *mariadbd.Server
	sql       *sql.DB
	daemons   []*daemon
	history   history
	conflicts conflictLog
	seeded    int64 // the revision at which the test's own preparations ended

	goWays    []*proxy.Proxy // of the Go writers to etcd
	goClients []*cssetcd.Client
}

// daemon is a css-sync serve, and its connections.
type daemon struct {
	w      *world
	args   []string
	toEtcd []*proxy.Proxy
	toSQL  *proxy.Proxy
	*testkit.Process
	stopped bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, members: testkit.StartMembers(t, 3, 0), maria: testkit.MariaDB(t, mariadbd.Options{})}
	w.etcd = w.members.Client()
	t.Cleanup(func() { assert.NoError(t, w.etcd.Close()) })
	var err error
	w.css, err = cssetcd.New(t.Context(), w.etcd)
	require.NoError(t, err)
	w.seedCatalogue()
	connector, err := mysql.NewConnector(w.maria.Config(schema))
	require.NoError(t, err)
	w.sql = sql.OpenDB(connector)
	t.Cleanup(func() { assert.NoError(t, w.sql.Close()) })

	direct := []string{"--endpoints", strings.Join(w.members.Endpoints(), ","), "--mysql-dsn", w.maria.DSN(schema),
		"--command-timeout", "120s"}
	w.do(append([]string{"mirror", "--once"}, direct...)...)
	w.do(append([]string{"mirror", "--capture", "install"}, direct...)...)
	got, err := w.etcd.Get(t.Context(), "none")
	require.NoError(t, err)
	w.seeded = got.Header.Revision
	for range 2 {
		w.daemons = append(w.daemons, w.newDaemon())
	}
	for range 2 {
		ways, endpoints := w.throughProxies()
		etcd, err := testkit.Dial(endpoints...)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, etcd.Close()) })
		css, err := cssetcd.New(t.Context(), etcd)
		require.NoError(t, err)
		w.goWays, w.goClients = append(w.goWays, ways...), append(w.goClients, css)
	}
	return w
}

func (w *world) seedCatalogue() {
	w.t.Helper()
	ctx := w.t.Context()
	for _, db := range stayingDatabases {
		testkit.OK(w.t)(w.css.CreateDatabase(ctx, cssetcd.Database{
			Name: db, Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12},
		}))
	}
	testkit.OK(w.t)(w.css.AddNode(ctx, cssetcd.Node{Name: "worker-0", Type: "worker", Host: "w", Port: 5012}))
	testkit.OK(w.t)(w.css.Raw().Put(ctx, notes, ""))
	testkit.OK(w.t)(w.css.Raw().Put(ctx, certain, "seed"))
}

// throughProxies returns ways to all members of etcd.
func (w *world) throughProxies() (ways []*proxy.Proxy, endpoints []string) {
	w.t.Helper()
	for _, endpoint := range w.members.Endpoints() {
		u, err := url.Parse(endpoint)
		require.NoError(w.t, err)
		p := w.proxy("tcp", u.Host)
		ways, endpoints = append(ways, p), append(endpoints, "http://"+p.Addr())
	}
	return ways, endpoints
}

func (w *world) proxy(network, server string) *proxy.Proxy {
	w.t.Helper()
	p, err := proxy.Start(network, server)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, p.Close()) })
	return p
}

func (w *world) newDaemon() *daemon {
	w.t.Helper()
	d := &daemon{w: w, toSQL: w.proxy("unix", w.maria.Socket())}
	var endpoints []string
	d.toEtcd, endpoints = w.throughProxies()
	cfg := w.maria.Config(schema)
	cfg.Net, cfg.Addr = "tcp", d.toSQL.Addr()
	// A machine that is busy with other tests gets more time than an operator would wait.
	d.args = []string{"serve", "--endpoints", strings.Join(endpoints, ","), "--mysql-dsn", cfg.FormatDSN(),
		"--session-ttl", "2s", "--compare-every", "2s", "--compact", "off", "--dial-timeout", "60s"}
	d.start()
	return d
}

// start starts the daemon. One that etcd does not answer at its start ends, and is started again as systemd does.
func (d *daemon) start() {
	d.Process = testkit.StartForTest(d.w.t, exec.Command(testkit.Program(d.w.t, "css-sync"), d.args...))
}

// revive makes the daemon run, however it ended.
func (d *daemon) revive() {
	if d.stopped {
		d.Signal(syscall.SIGCONT)
		d.stopped = false
	}
	select {
	case <-d.Done():
		d.start()
	default:
	}
}

func (w *world) do(command ...string) {
	w.t.Helper()
	code, out := testkit.Run(w.t.Context(), w.t, testkit.Program(w.t, "css-sync"), command...)
	require.Equal(w.t, 0, code, "css-sync %q:\n%s", command, out)
}

// certain is a key for a conflict that has to come about.
const certain = "/CERTAIN"

// certainConflict has both sides change a key while no daemon runs: what the SQL writer wrote is overruled.
func (r *run) certainConflict() {
	t := r.t
	for _, d := range r.daemons {
		d.Kill()
	}
	s := &sqlWriter{r: r, name: "certain", rnd: r.random()}
	defer s.disconnect()
	require.NoError(t, s.connect(t.Context()))
	require.NoError(t, s.transact(t.Context(), func(ctx context.Context) error {
		parent, err := s.mustID(ctx, "")
		if err == nil {
			_, err = s.set(ctx, certain, s.unique(), parent)
		}
		return err
	}))
	rev, err := r.css.Raw().Put(t.Context(), certain, "by Go")
	require.NoError(t, err)
	r.told(goWrite{what: "note", at: rev, key: certain, becomes: held("by Go")})
	for _, d := range r.daemons {
		d.revive()
	}
}

// comeToRest waits until nothing is left to take or to write, with all in order.
func (r *run) comeToRest() {
	t := r.t
	why := ""
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		for _, d := range r.daemons {
			d.revive()
		}
		if why = r.unequal(); why == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("both sides do not become equal: %s\n%s\n----\n%s", why, r.daemons[0].Log(), r.daemons[1].Log())
		}
	}
	r.do("check", "--endpoints", strings.Join(r.members.Endpoints(), ","), "--mysql-dsn", r.maria.DSN(schema))
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got, err := r.etcd.Get(t.Context(), "/qserv/mirror/default")
		require.NoError(t, err)
		if len(got.Kvs) == 1 && onlyConflicts(t, got.Kvs[0].Value) {
			return
		}
		require.True(t, time.Now().Before(deadline), "the mirror still tells trouble: %v", got.Kvs)
	}
}

// onlyConflicts reports whether a mirror follows with no trouble but the conflicts that somebody should look at.
func onlyConflicts(t *testing.T, text []byte) bool {
	t.Helper()
	var told struct {
		Phase    string
		Troubles []struct{ Code string }
	}
	require.NoError(t, json.Unmarshal(text, &told))
	return told.Phase == "following" && len(told.Troubles) == 1 && told.Troubles[0].Code == "conflicts"
}

// unequal says why the two sides are not at rest, or "".
func (r *run) unequal() string {
	var waiting, seen int
	if err := r.sql.QueryRow("SELECT COUNT(*) FROM css_mirror_inbox").Scan(&waiting); err != nil {
		return err.Error()
	}
	if waiting > 0 {
		return "rows wait to be taken"
	}
	rows, err := r.sql.Query("SELECT c.kvKey, c.kvVal, p.kvKey FROM kvData c LEFT JOIN kvData p ON p.kvId = c.parentKvId")
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	got, err := r.etcd.Get(r.t.Context(), cssRoot+"/", clientv3.WithPrefix())
	if err != nil {
		return err.Error()
	}
	want := map[string]string{"": "", "/DBS": "", "/NODES": ""}
	for _, kv := range got.Kvs {
		want[strings.TrimPrefix(string(kv.Key), cssRoot)] = string(kv.Value)
	}
	for rows.Next() {
		var key, text string
		var parent sql.NullString
		if err := rows.Scan(&key, &text, &parent); err != nil {
			return err.Error()
		}
		switch value, ok := want[key]; {
		case !ok:
			return "kvData has " + key
		case value != text:
			return key + " is " + text + " in kvData and " + value + " in etcd"
		case key != "" && (!parent.Valid || parent.String != above(key)):
			return key + " has another parent"
		}
		seen++
	}
	if rows.Err() != nil || seen != len(want) {
		return "rows are missing in kvData"
	}
	return ""
}
