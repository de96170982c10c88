package mirror_test

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// keeping is for a mirror that keeps the tables of empty chunks.
func (w *world) keeping(c *mirror.Config) {
	var err error
	c.Empty, err = mirror.NewEmptyChunks(w.view().Subscribe(), w.client, "m")
	require.NoError(w.t, err)
}

const unknown = "?"

// emptyInMySQL reads as a C++ czar does; unknown where there is no table.
func (w *world) emptyInMySQL(db string) string {
	w.t.Helper()
	rows, err := w.sql.QueryContext(w.t.Context(), "SELECT chunkId FROM `"+db+"_EmptyChunks`")
	if e, ok := err.(*mysql.MySQLError); ok && (e.Number == 1146 || e.Number == 1049) {
		return unknown
	}
	require.NoError(w.t, err)
	defer rows.Close()
	var ids []int
	for rows.Next() {
		var id int
		require.NoError(w.t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(w.t, rows.Err())
	set, err := chunkset.Of(ids...)
	require.NoError(w.t, err)
	return set.String()
}

func (w *world) emptyInEtcd(db string) string {
	w.t.Helper()
	set, err := w.client.EmptyChunks(w.t.Context(), db)
	if err != nil {
		require.ErrorIs(w.t, err, cssetcd.ErrNotFound)
		return unknown
	}
	return set.String()
}

func (w *world) setEmpty(db, set string) {
	w.t.Helper()
	_, err := w.client.SetEmptyChunks(w.t.Context(), db, chunkset.MustParse(set))
	require.NoError(w.t, err)
}

func (w *world) awaitEmpty(db, mysql, etcd string) {
	w.t.Helper()
	if !assert.Eventually(w.t, func() bool { return w.emptyInMySQL(db) == mysql && w.emptyInEtcd(db) == etcd }, patience,
		10*time.Millisecond) {
		w.t.Fatalf("want %q in MySQL and %q in etcd; there are %q and %q", mysql, etcd, w.emptyInMySQL(db), w.emptyInEtcd(db))
	}
}

// agreed is how many sets are on record of which something holds.
func (w *world) agreed(where string) (n int) {
	w.t.Helper()
	query := "SELECT COUNT(*) FROM css_mirror_empty WHERE " + where
	require.NoError(w.t, w.sql.QueryRowContext(w.t.Context(), query).Scan(&n))
	return n
}

func (w *world) awaitAgreed(n int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.agreed("TRUE") == n }, patience, 10*time.Millisecond)
}

// withDatabases is a world with databases D and E.
func withDatabases(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, db := range []string{"D", "E"} {
		_, err := w.client.CreateDatabase(t.Context(), cssetcd.Database{Name: db})
		require.NoError(t, err)
	}
	return w
}

// TestEmptyChunksAreMirrored: C++ czars read what etcd says, whole sets only; what others do to the tables is undone.
func TestEmptyChunksAreMirrored(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.setEmpty("D", "0-20000")
	w.run(w.mirror(w.keeping))
	w.awaitEmpty("D", "0-20000", "0-20000")
	assert.Equal(t, "chunkId int(11) NO PRI", w.columnsOf("D_EmptyChunks"))
	w.exec("CREATE TABLE Other_EmptyChunks (chunkId INT NOT NULL PRIMARY KEY)")
	w.exec("INSERT INTO Other_EmptyChunks VALUES (1)")

	seen, stop := w.sightings("D")
	want := []string{"0-20000"}
	for _, set := range []string{"5,7", "", "0-30000", "30001"} {
		w.setEmpty("D", set)
		want = append(want, set)
		w.awaitEmpty("D", set, set)
	}
	stop()
	for _, set := range seen() {
		assert.Contains(t, want, set, "part of a change")
	}

	w.exec("DELETE FROM D_EmptyChunks")
	w.awaitEmpty("D", "30001", "30001")
	w.exec("INSERT INTO D_EmptyChunks VALUES (4), (5)")
	w.awaitEmpty("D", "30001", "30001")
	require.Eventually(t, func() bool { return w.lost("D") == "4-5,30001" }, patience, 10*time.Millisecond)
	w.exec("DROP TABLE D_EmptyChunks")
	w.awaitEmpty("D", "30001", "30001")

	_, err := w.client.ForgetEmptyChunks(t.Context(), "D")
	require.NoError(t, err)
	w.awaitEmpty("D", unknown, unknown)
	w.setEmpty("E", "1")
	w.awaitEmpty("E", "1", "1")
	_, err = w.client.DropDatabase(t.Context(), "E")
	require.NoError(t, err)
	w.awaitEmpty("E", unknown, unknown)
	w.awaitAgreed(0)
	assert.Equal(t, "1", w.emptyInMySQL("Other"), "nobody has said in etcd which chunks of it are empty")
}

func (w *world) columnsOf(table string) string {
	w.t.Helper()
	var all []string
	rows, err := w.sql.QueryContext(w.t.Context(), "SHOW COLUMNS FROM "+table)
	require.NoError(w.t, err)
	defer rows.Close()
	for rows.Next() {
		var field, kind, null, key, extra string
		var def sql.NullString
		require.NoError(w.t, rows.Scan(&field, &kind, &null, &key, &def, &extra))
		all = append(all, strings.TrimSpace(strings.Join([]string{field, kind, null, key, extra}, " ")))
	}
	require.NoError(w.t, rows.Err())
	return strings.Join(all, ", ")
}

// lost is what others wrote last that was undone.
func (w *world) lost(db string) string {
	w.t.Helper()
	var text sql.NullString
	err := w.sql.QueryRowContext(w.t.Context(), "SELECT lost FROM css_mirror_empty WHERE db_name = ?", db).Scan(&text)
	if err != nil || !text.Valid {
		return unknown
	}
	return text.String
}

// sightings reads a table over and over until it is stopped.
func (w *world) sightings(db string) (seen func() []string, stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	all := map[string]bool{}
	running.Go(func() {
		for ctx.Err() == nil {
			all[w.emptyInMySQL(db)] = true
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	w.t.Cleanup(stop)
	return func() (sets []string) {
		for set := range all {
			sets = append(sets, set)
		}
		return sets
	}, stop
}

// everInEtcd returns what tells what etcd ever said, from now on, of the empty chunks of a database.
func (w *world) everInEtcd(db string) (tell func() []string) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel)
	responses := w.etcd.Watch(ctx, w.prefix+"/css_empty/"+db, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-responses // it has begun
	return func() (all []string) {
		_, err := w.etcd.Put(ctx, w.prefix+"/css_empty/"+db+"/end", "")
		require.NoError(w.t, err)
		for r := range responses {
			require.NoError(w.t, r.Err())
			for _, e := range r.Events {
				switch {
				case strings.HasSuffix(string(e.Kv.Key), "/end"):
					return all
				case e.Type == clientv3.EventTypeDelete:
					all = append(all, unknown)
				default:
					all = append(all, string(e.Kv.Value))
				}
			}
		}
		return all
	}
}

// publish does what Qserv's ingest controller does: all in what is meant as one transaction, though the server commits
// what makes and drops tables at once. Between is called in the middle of it.
func (w *world) publish(db, set string, between func()) {
	w.t.Helper()
	conn, err := w.sql.Conn(w.t.Context())
	require.NoError(w.t, err)
	defer conn.Close()
	exec := func(query string) {
		w.t.Helper()
		_, err := conn.ExecContext(w.t.Context(), query)
		require.NoError(w.t, err)
	}
	exec("START TRANSACTION")
	exec("DROP TABLE IF EXISTS `" + db + "_EmptyChunks`")
	exec("CREATE TABLE `" + db + "_EmptyChunks` (`chunkId` INT NOT NULL, PRIMARY KEY (`chunkId`)) ENGINE=InnoDB")
	exec("START TRANSACTION")
	n := 0
	for id := range chunkset.MustParse(set).All() {
		exec(fmt.Sprintf("INSERT INTO `%s_EmptyChunks` VALUES (%d)", db, id))
		if n++; n == 3 {
			between()
		}
	}
	exec("COMMIT")
}

// TestEmptyChunksAreTakenFromMySQL where both sides write: what Qserv's ingest controller builds comes into etcd whole,
// however long that takes, and a table that goes is forgotten.
func TestEmptyChunksAreTakenFromMySQL(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.shared()
	ever := w.everInEtcd("D")
	w.run(w.mirror(w.sharing, w.keeping))
	w.publish("D", "0-9,20", func() { time.Sleep(time.Second) }) // longer than a change has to be the same
	w.awaitEmpty("D", "0-9,20", "0-9,20")
	w.publish("D", "5-9", func() { time.Sleep(time.Second) })
	w.awaitEmpty("D", "5-9", "5-9")
	assert.Equal(t, []string{"0-9,20", "5-9"}, ever())
	w.setEmpty("D", "5-10")
	w.awaitEmpty("D", "5-10", "5-10")
	w.exec("DROP TABLE D_EmptyChunks")
	w.awaitEmpty("D", unknown, unknown)

	w.publish("Later", "1-4", func() {})
	time.Sleep(time.Second)
	_, err := w.client.CreateDatabase(t.Context(), cssetcd.Database{Name: "Later"})
	require.NoError(t, err)
	w.awaitEmpty("Later", "1-4", "1-4")
}

// TestEmptyChunksThatBothChanged: etcd wins, and what is lost is on record.
func TestEmptyChunksThatBothChanged(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.shared()
	w.setEmpty("D", "1-3")
	stop := w.run(w.mirror(w.sharing, w.keeping))
	w.awaitEmpty("D", "1-3", "1-3")
	w.awaitAgreed(1)
	stop()

	w.setEmpty("D", "1-4")
	w.publish("D", "1-9", func() {})
	w.publish("E", "7-9", func() {}) // changed there only, while nobody looked
	w.run(w.mirror(w.sharing, w.keeping))
	w.awaitEmpty("D", "1-4", "1-4")
	w.awaitEmpty("E", "7-9", "7-9")
	assert.Equal(t, "1-9", w.lost("D"))
}

// TestEmptyChunksAfterCrashes: a mirror that was killed between a write and its record goes on as if it had not been.
func TestEmptyChunksAfterCrashes(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.shared()
	ever := w.everInEtcd("D")
	w.setEmpty("D", "1-3")
	stop := w.run(w.mirror(w.sharing, w.keeping))
	w.awaitEmpty("D", "1-3", "1-3")
	w.awaitAgreed(1)
	for i, crash := range []string{"DELETE FROM css_mirror_empty",
		"UPDATE css_mirror_empty SET digest = REPEAT('x', 32)"} {
		stop()
		w.exec(crash)
		stop = w.run(w.mirror(w.sharing, w.keeping))
		set := fmt.Sprintf("1-%d", 5+i)
		require.Eventually(t, func() bool { return w.agreed("digest NOT LIKE 'x%'") == 1 }, patience, 10*time.Millisecond)
		w.exec("DELETE FROM D_EmptyChunks")
		w.publish("D", set, func() {})
		w.awaitEmpty("D", set, set)
	}
	assert.Equal(t, []string{"1-3", "1-5", "1-6"}, ever())
}

// dying writes into etcd, and then the mirror is gone.
type dying struct {
	mirror.EmptyWriter
	die func()
}

func (d dying) SetEmptyChunks(ctx context.Context, db string, all cssetcd.ChunkSet, opts ...cssetcd.WriteOption) (
	cssetcd.Revision, error) {
	defer d.die()
	return d.EmptyWriter.SetEmptyChunks(ctx, db, all, opts...)
}

func (d dying) ForgetEmptyChunks(ctx context.Context, db string, opts ...cssetcd.WriteOption) (cssetcd.Revision,
	error) {
	defer d.die()
	return d.EmptyWriter.ForgetEmptyChunks(ctx, db, opts...)
}

// TestEmptyChunksTakenWithoutARecord: a mirror that is killed between taking something in and putting it on record has
// taken it in. What others write then is newer.
func TestEmptyChunksTakenWithoutARecord(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.shared()
	ever := w.everInEtcd("D")
	dies := func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		m := w.mirror(w.sharing, w.keeping, func(c *mirror.Config) { c.Empty.Writer = dying{c.Empty.Writer, cancel} })
		require.ErrorIs(t, m.Run(ctx), context.Canceled)
	}
	w.publish("D", "1-3", func() {})
	dies()
	w.publish("D", "1-4", func() {})
	dies()
	w.exec("DROP TABLE D_EmptyChunks")
	dies()
	assert.Equal(t, 1, w.agreed("known = 3"))
	w.publish("D", "1-5", func() {})
	w.run(w.mirror(w.sharing, w.keeping))
	w.awaitEmpty("D", "1-5", "1-5")
	w.awaitAgreed(1)
	assert.Equal(t, []string{"1-3", "1-4", unknown, "1-5"}, ever())
	assert.Equal(t, 0, w.agreed("lost_at IS NOT NULL"))
}

// forgetful writes into etcd, and does not know that it did, once.
type forgetful struct {
	mirror.EmptyWriter
	between func()
}

func (f *forgetful) SetEmptyChunks(ctx context.Context, db string, all cssetcd.ChunkSet, opts ...cssetcd.WriteOption) (
	cssetcd.Revision, error) {
	rev, err := f.EmptyWriter.SetEmptyChunks(ctx, db, all, opts...)
	if f.between != nil && err == nil {
		f.between()
		f.between = nil
		return 0, cssetcd.ErrOutcomeUnknown
	}
	return rev, err
}

// TestEmptyChunksTakenWithoutAnAnswer: what others write while it is not known whether etcd took what they wrote before
// is newer than that.
func TestEmptyChunksTakenWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.shared()
	w.setEmpty("D", "1-2")
	ever := w.everInEtcd("D")
	w.run(w.mirror(w.sharing, w.keeping, func(c *mirror.Config) {
		c.Empty.Writer = &forgetful{c.Empty.Writer, func() { w.publish("D", "1-4", func() {}) }}
	}))
	w.awaitEmpty("D", "1-2", "1-2")
	w.awaitAgreed(1)
	w.publish("D", "1-3", func() {})
	w.awaitEmpty("D", "1-4", "1-4")
	assert.Equal(t, []string{"1-3", "1-4"}, ever())
	assert.Equal(t, 0, w.agreed("lost_at IS NOT NULL"))
}

// TestEmptyChunksOfADatabaseThatWent: what others changed of its table is not taken for the next database of the name.
func TestEmptyChunksOfADatabaseThatWent(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.shared()
	w.setEmpty("D", "1-3")
	end := w.run(w.mirror(w.sharing, w.keeping))
	w.awaitEmpty("D", "1-3", "1-3")
	w.awaitAgreed(1)
	end()
	w.publish("D", "1-9", func() {})
	_, err := w.client.DropDatabase(t.Context(), "D")
	require.NoError(t, err)
	_, err = w.client.CreateDatabase(t.Context(), cssetcd.Database{Name: "D"})
	require.NoError(t, err)
	ever := w.everInEtcd("D")
	w.run(w.mirror(w.sharing, w.keeping))
	w.awaitEmpty("D", unknown, unknown)
	require.Eventually(t, func() bool { return w.lost("D") == "1-9" }, patience, 10*time.Millisecond)
	assert.Empty(t, ever())
	w.publish("D", "4", func() {})
	w.awaitEmpty("D", "4", "4")
}

// TestEmptyChunksThatCannotBe are told of and hold nothing else up.
func TestEmptyChunksThatCannotBe(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	long := strings.Repeat("x", 60)
	_, err := w.client.CreateDatabase(t.Context(), cssetcd.Database{Name: long})
	require.NoError(t, err)
	w.once()
	w.exec("CREATE TABLE D_EmptyChunks (other INT)")
	w.setEmpty("D", "1")
	w.setEmpty(long, "2")
	w.setEmpty("E", "3")
	m := w.mirror(w.keeping)
	w.run(m)
	w.awaitEmpty("E", "3", "3")
	assert.Equal(t, "other int(11) YES", w.columnsOf("D_EmptyChunks"))
	told := func() string {
		for _, trouble := range m.Status().Troubles {
			if trouble.Code == mirror.EmptyTables {
				assert.False(t, trouble.Holds)
				return trouble.Text
			}
		}
		return ""
	}
	require.Eventually(t, func() bool {
		return regexp.MustCompile(`^database D: the table of empty chunks is left alone: .* has no column chunkId; ` +
			`database x{60}: its name is too long for a table of empty chunks: it has 60 bytes, and MySQL takes 52$`).
			MatchString(told())
	}, patience, 10*time.Millisecond)
	w.exec("DROP TABLE D_EmptyChunks")
	w.awaitEmpty("D", "1", "1")
	require.Eventually(t, func() bool { return strings.HasPrefix(told(), "database xxx") }, patience, 10*time.Millisecond)
	_, err = w.client.DropDatabase(t.Context(), long)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return told() == "" }, patience, 10*time.Millisecond)
	w.put("/css_meta/more", "")
	assert.True(t, slices.Contains(w.keys("/css_meta"), "/css_meta/version"))
}

// TestEmptyChunksWithoutACatalogue: nothing follows for MySQL from an etcd of which somebody has removed all.
func TestEmptyChunksWithoutACatalogue(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.setEmpty("D", "1-3")
	m := w.mirror(w.keeping)
	w.run(m)
	w.awaitEmpty("D", "1-3", "1-3")
	w.awaitAgreed(1)
	_, err := w.etcd.Delete(t.Context(), w.prefix+"/css", clientv3.WithPrefix())
	require.NoError(t, err)
	awaitStatus(t, m, has(mirror.BrakeOn))
	time.Sleep(500 * time.Millisecond)
	assert.Equal(t, "1-3", w.emptyInMySQL("D"))
}

// TestEmptyChunksAfterAnImport: what MySQL says then counts, whatever was agreed on before kvData was left.
func TestEmptyChunksAfterAnImport(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.shared()
	w.setEmpty("D", "1-3")
	w.setEmpty("E", "7")
	end := w.run(w.mirror(w.sharing, w.keeping))
	w.awaitEmpty("D", "1-3", "1-3")
	w.awaitEmpty("E", "7", "7")
	w.awaitAgreed(2)
	_, err := mirror.Leave(t.Context(), w.target, w.client, w.taker(), patience, false)
	require.NoError(t, err)
	end()
	w.publish("D", "1-9", func() {})
	again := w.importing()
	again.Overwrite = true
	_, err = again.Run(t.Context())
	require.NoError(t, err)
	w.run(w.mirror(w.sharing, w.keeping))
	w.awaitEmpty("D", "1-9", "1-9")
	w.awaitEmpty("E", "7", "7")
}

// TestEmptyChunksThatCannotBeSeen are not taken for tables that somebody dropped.
func TestEmptyChunksThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	user := "'" + w.target.DBName + "_less'@'%'"
	admin := w.target.Clone()
	admin.DBName = ""
	connector, err := mysql.NewConnector(admin)
	require.NoError(t, err)
	root := sql.OpenDB(connector)
	defer root.Close()
	exec := func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			_, err := root.ExecContext(t.Context(), s)
			require.NoError(t, err, s)
		}
	}
	exec("CREATE USER "+user+" IDENTIFIED BY 'x'", "GRANT ALL ON `"+w.target.DBName+"`.* TO "+user,
		"GRANT CREATE ON `"+w.target.DBName+"`.* TO "+user, "GRANT SUPER ON *.* TO "+user)
	w.target = w.target.Clone()
	w.target.User, w.target.Passwd = w.target.DBName+"_less", "x"
	w.shared()
	w.setEmpty("D", "1-3")
	end := w.run(w.mirror(w.sharing, w.keeping))
	w.awaitEmpty("D", "1-3", "1-3")
	w.awaitAgreed(1)
	end()

	exec("REVOKE ALL ON `" + w.target.DBName + "`.* FROM " + user)
	exec(append(kvdata.Grants(user, w.target.DBName, false), kvdata.CaptureGrants(user, w.target.DBName)...)...)
	ever := w.everInEtcd("D")
	m := w.mirror(w.sharing, w.keeping)
	w.run(m)
	awaitStatus(t, m, following)
	time.Sleep(time.Second)
	assert.Empty(t, ever())
	assert.Equal(t, "1-3", w.emptyInEtcd("D"))
	awaitStatus(t, m, has(mirror.EmptyTables))
	exec(kvdata.Grants(user, w.target.DBName, true)...)
	w.setEmpty("D", "1-4")
	w.awaitEmpty("D", "1-4", "1-4") // over a new connection
}
