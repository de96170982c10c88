package mirror_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
)

// through makes a mirror's connections pass a proxy.
func (w *world) through(p *proxy.Proxy) func(*mirror.Config) {
	return func(c *mirror.Config) {
		c.Target = w.target.Clone()
		c.Target.Net, c.Target.Addr = "tcp", p.Addr()
		c.Timeout = time.Second
	}
}

func (w *world) proxy() *proxy.Proxy {
	w.t.Helper()
	p, err := proxy.Start("unix", w.target.Addr)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = p.Close() })
	return p
}

// Rule: a connection that is lost without a sign in the middle of a transaction holds up neither this mirror nor the
// next one for much longer than the time-out: the server ends what it holds.
func TestConnectionIsLostInATransaction(t *testing.T) {
	w := newWorld(t)
	p := w.proxy()
	m := w.mirror(w.through(p))
	w.run(m)
	w.await(w.put("/DBS/a", "1"))
	lock, err := w.sql.Begin() // so that the mirror is in a transaction, with the state row locked, when it is lost
	require.NoError(t, err)
	_, err = lock.Exec("UPDATE kvData SET kvVal = kvVal WHERE kvKey = '/DBS/a'")
	require.NoError(t, err)
	rev := w.put("/DBS/a", "2")
	w.awaitStatement("UPDATE kvData SET%")
	p.Strand()
	require.NoError(t, lock.Rollback())
	other, err := mirror.New(mirror.Config{Catalogue: w.client, Target: w.target, Timeout: 10 * time.Second})
	require.NoError(t, err)
	_, err = other.Once(t.Context())
	require.NoError(t, err, "whoever takes over waits for the server to end what is lost, and no longer")
	w.await(rev)
	awaitStatus(t, m, following)
	w.agree()
}

// Rule: a server that takes connections and says nothing is noticed in about a time-out, at the start and later.
func TestServerIsMute(t *testing.T) {
	w := newWorld(t)
	p := w.proxy()
	p.Pause(proxy.ToClient)
	m := w.mirror(w.through(p))
	w.run(m)
	s := awaitStatus(t, m, has(mirror.MySQLUnavailable))
	assert.ErrorIs(t, s.Err, mirror.ErrUnavailable)
	p.Resume()
	awaitStatus(t, m, following)
	p.Pause(proxy.ToClient | proxy.ToServer)
	awaitStatus(t, m, has(mirror.MySQLUnavailable)) // nothing changed in etcd: it looked
	p.Resume()
	w.await(w.put("/DBS/a", "1"))
	assert.Empty(t, awaitStatus(t, m, following).Troubles)
}

// Rule: a mirror that cannot reach MySQL ends after a while if another one would try, and goes on if none would.
func TestStepsBack(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	asked := make(chan bool)
	m := w.mirror(func(c *mirror.Config) {
		c.Target = w.target.Clone()
		c.Target.Addr += ".not.there"
		c.StepBack = 50 * time.Millisecond
		c.StandsBy = func(context.Context) bool { return <-asked }
	})
	done := make(chan error)
	go func() { done <- m.Run(t.Context()) }()
	asked <- false
	asked <- false
	awaitStatus(t, m, has(mirror.MySQLUnavailable))
	asked <- true
	assert.ErrorIs(t, <-done, mirror.ErrUnavailable)
}

// Rule: when the address of MySQL comes to lead to another server, the mirror goes there, though the old one lives.
func TestAddressMoves(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	second := testkit.MariaDB(t, mariadbd.Options{})
	there := *w
	there.target = second.Config(w.target.DBName)
	there.sql = openSQL(t, there.target)
	var leadsTo atomic.Pointer[string]
	leadsTo.Store(&w.target.Addr)
	mysql.RegisterDialContext("moving", func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", *leadsTo.Load())
	})
	defer mysql.DeregisterDialContext("moving")
	_, err := there.single().Once(t.Context()) // so that nothing but the server itself is another one there
	require.NoError(t, err)
	m := w.mirror(func(c *mirror.Config) {
		c.Target = w.target.Clone()
		c.Target.Net, c.Target.Addr, c.CompareEvery = "moving", "anywhere", 100*time.Millisecond
	})
	stop := w.run(m)
	awaitStatus(t, m, following)
	leadsTo.Store(&there.target.Addr)
	there.await(w.put("/DBS/b", "2"))
	awaitStatus(t, m, following)
	there.agree()
	stop()
}

// Rule: tables that somebody dropped while etcd is quiet are made and filled anew.
func TestDroppedTablesAreMadeAnew(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.run(m)
	w.await(w.put("/DBS/a", "1"))
	for _, drop := range []string{
		"DROP TABLE kvData", "DROP TABLE css_mirror_state, css_mirror_quarantine, css_mirror_foreign",
		"DROP DATABASE " + w.target.DBName,
	} {
		awaitStatus(t, m, following)
		w.exec(drop)
		require.Eventually(t, func() bool {
			report, err := mirror.Check(t.Context(), w.target, w.client)
			return err == nil && report.Rows == 6 && report.InAgreement()
		}, patience, 5*time.Millisecond, drop)
	}
}

// Rule: an older copy of the data that is put back while etcd is quiet is noticed, and brought up to date as history.
func TestOlderCopyIsPutBack(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.run(m)
	w.await(w.put("/DBS/a", "1"))
	awaitStatus(t, m, following)
	w.exec("CREATE TABLE old_rows AS SELECT * FROM kvData; CREATE TABLE old_state AS SELECT * FROM css_mirror_state")
	w.await(w.put("/DBS/a", "2", "/DBS/b", "3"))
	awaitStatus(t, m, following)
	w.exec(`SET foreign_key_checks = 0; BEGIN; DELETE FROM kvData; INSERT INTO kvData SELECT * FROM old_rows;
		DELETE FROM css_mirror_state; INSERT INTO css_mirror_state SELECT * FROM old_state; COMMIT;
		SET foreign_key_checks = 1`)
	require.Eventually(t, func() bool { return w.rows()["/DBS/b"].value == "3" }, patience, 5*time.Millisecond)
	awaitStatus(t, m, following)
	w.agree()
	assert.Empty(t, w.foreign(), "that was history, and nobody's work")
}
