package mirror_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// taker returns the taker of the default mirror.
func (w *world) taker() *mirror.Taker {
	w.t.Helper()
	taker, err := mirror.NewTaker(w.client, "")
	require.NoError(w.t, err)
	return taker
}

// shared makes a world in which both sides write.
func (w *world) shared() {
	w.t.Helper()
	w.once()
	require.NoError(w.t, mirror.ShareWriting(w.t.Context(), w.target, w.client, w.taker(), patience))
}

// sharing is for a mirror where both sides write.
func (w *world) sharing(c *mirror.Config) { c.Inbox = w.taker() }

// value returns what etcd holds, "" for nothing.
func (w *world) value(key string) string {
	w.t.Helper()
	got, err := w.etcd.Get(w.t.Context(), w.prefix+"/css"+key)
	require.NoError(w.t, err)
	if len(got.Kvs) == 0 {
		return ""
	}
	return string(got.Kvs[0].Value)
}

// rest waits until nothing is left to be taken or written, and both sides are equal.
func (w *world) rest() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		capture, err := kvdata.ReadCapture(w.t.Context(), w.target)
		if err != nil || capture.Waiting > 0 {
			return false
		}
		report, err := mirror.Check(w.t.Context(), w.target, w.client)
		if err != nil || !report.InAgreement() {
			return false
		}
		got, err := w.etcd.Get(w.t.Context(), w.prefix+"/css", clientv3.WithPrefix()) // a key at a time takes minutes
		return err == nil && int64(report.Revision) <= got.Header.Revision && w.shows(got.Kvs)
	}, patience, 50*time.Millisecond, "both sides do not become equal")
}

// shows reports whether kvData holds the values of etcd.
func (w *world) shows(kvs []*mvccpb.KeyValue) bool {
	values := map[string]string{}
	for _, kv := range kvs {
		values[strings.TrimPrefix(string(kv.Key), w.prefix+"/css")] = string(kv.Value)
	}
	for key, r := range w.rows() {
		if values[key] != r.value {
			return false
		}
	}
	return true
}

func (w *world) conflicts() []kvdata.ConflictRecord {
	w.t.Helper()
	list, _, err := kvdata.ReadConflicts(w.t.Context(), w.target, 0)
	require.NoError(w.t, err)
	return list
}

const insert = `INSERT INTO kvData (kvKey, kvVal, parentKvId) SELECT ?, ?, kvId FROM kvData WHERE kvKey = ?`

// Rule: what others write into kvData is in etcd in a moment, and what is written in etcd is in kvData.
func TestBothSidesWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("/DBS", "", "/DBS/a", "READY", "/m", "1")
	w.shared()
	m := w.mirror(w.sharing)
	w.run(m)
	awaitStatus(t, m, following)

	w.exec(insert, "/DBS/b", "READY", "/DBS")
	require.Eventually(t, func() bool { return w.value("/DBS/b") == "READY" }, patience, time.Millisecond)
	w.exec("UPDATE kvData SET kvVal = '2' WHERE kvKey = '/m'")
	require.Eventually(t, func() bool { return w.value("/m") == "2" }, patience, time.Millisecond)
	w.await(w.put("/m", "3", "/DBS/c", "READY"))
	assert.Equal(t, "3", w.rows()["/m"].value)
	w.exec("DELETE FROM kvData WHERE kvKey = '/DBS/c'")
	require.Eventually(t, func() bool { return w.value("/DBS/c") == "" }, patience, time.Millisecond)
	w.rest()
	assert.Empty(t, w.conflicts())
	assert.Empty(t, m.Status().Troubles)
	got, err := w.etcd.Get(t.Context(), w.prefix+"/fold/dbs/b")
	require.NoError(t, err)
	assert.Len(t, got.Kvs, 1, "the spelling of the name is protected")
}

// Rule: what was committed in etcd is not undone by who had not seen it: the change is undone in kvData, and recorded
// with both values.
func TestWhoHadNotSeenItLoses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("/DBS", "", "/DBS/a", "READY", "/m", "1")
	w.shared()
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/m'") // no mirror runs
	w.put("/m", "ours")
	m := w.mirror(w.sharing)
	w.run(m)
	w.rest()
	assert.Equal(t, "ours", w.value("/m"))
	assert.Equal(t, "ours", w.rows()["/m"].value)
	list := w.conflicts()
	require.Len(t, list, 1)
	assert.Equal(t, "/m", list[0].Key)
	assert.Equal(t, inbox.KindConflict, list[0].Kind)
	assert.EqualValues(t, inbox.Changed, list[0].Reason)
	assert.Equal(t, inbox.Value{There: true, Text: "1"}, list[0].Before)
	assert.Equal(t, inbox.Value{There: true, Text: "theirs"}, list[0].After)
	assert.Equal(t, inbox.Value{There: true, Text: "ours"}, list[0].Etcd)
}

// Rule: a table that was dropped and made again in etcd takes nothing that was meant for the one before, and its rows
// are new ones.
func TestAnotherLifeOfATable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const table = "/DBS/a/TABLES/T"
	w.put("/DBS", "", "/DBS/a", "READY", "/DBS/a/TABLES", "", table, "READY", table+"/schema", "old")
	w.shared()
	was := w.rows()
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = ?", table+"/schema")
	w.del(table, table+"/schema")
	w.put(table, "READY", table+"/schema", "old")
	m := w.mirror(w.sharing)
	w.run(m)
	w.rest()
	assert.Equal(t, "old", w.value(table+"/schema"))
	assert.NotEqual(t, was[table].id, w.rows()[table].id)
	assert.NotEqual(t, was[table+"/schema"].id, w.rows()[table+"/schema"].id)
	assert.Equal(t, was["/DBS/a"].id, w.rows()["/DBS/a"].id)
	require.Len(t, w.conflicts(), 1)
	assert.EqualValues(t, inbox.OtherLife, w.conflicts()[0].Reason)
}

// Rule: a removal by others while queries may run becomes a drop, and the rows come back as about to be dropped.
func TestRemovalByOthersWhileCzarsRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const table = "/DBS/a/TABLES/T"
	w.put("/DBS", "", "/DBS/a", "READY", "/DBS/a/TABLES", "", table, "READY", table+"/schema", "(i INT)")
	w.shared()
	_, err := w.etcd.Put(t.Context(), w.prefix+"/czar/one", "{}")
	require.NoError(t, err)
	w.exec("DELETE FROM kvData WHERE kvKey = ?", table+"/schema")
	w.exec("DELETE FROM kvData WHERE kvKey = ?", table)
	m := w.mirror(w.sharing, func(c *mirror.Config) { c.Drops = mirror.Request })
	w.run(m)
	w.rest()
	assert.Equal(t, "PENDING_DROP:kvData", w.value(table))
	assert.Equal(t, "PENDING_DROP:kvData", w.rows()[table].value)
	assert.Equal(t, "(i INT)", w.rows()[table+"/schema"].value)
	for _, c := range w.conflicts() {
		assert.Equal(t, inbox.KindRequest, c.Kind)
	}
	assert.Len(t, w.conflicts(), 2)
}

// Rule: while czars are registered a drop by others is refused in MySQL, with what to run instead, and nothing changes.
func TestDropByOthersIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const table = "/DBS/a/TABLES/T"
	w.put("/DBS", "", "/DBS/a", "READY", "/DBS/a/TABLES", "", table, "READY", "/NODES", "")
	w.shared()
	m := w.mirror(w.sharing)
	w.run(m)
	_, err := w.etcd.Put(t.Context(), w.prefix+"/czar/one", "{}")
	require.NoError(t, err)
	refuses := func(want bool) func() bool {
		return func() bool {
			c, err := kvdata.ReadCapture(t.Context(), w.target)
			return err == nil && c.Refuses == want
		}
	}
	require.Eventually(t, func() bool { // czars confirm themselves all the time
		_, err := w.etcd.Put(t.Context(), w.prefix+"/czar/one", "{}")
		return assert.NoError(t, err) && refuses(true)()
	}, patience, time.Millisecond)
	_, err = w.sql.ExecContext(t.Context(), "DELETE FROM kvData WHERE kvKey = ?", table)
	require.ErrorContains(t, err, "css-sync table drop")
	_, err = w.etcd.Delete(t.Context(), w.prefix+"/czar/one")
	require.NoError(t, err)
	require.Eventually(t, refuses(false), patience, time.Millisecond)
	w.exec("DELETE FROM kvData WHERE kvKey = ?", table)
	w.rest()
	assert.Empty(t, w.value(table))
	assert.Empty(t, w.conflicts())
}

// Rule: a mirror that knows of one writing side only does not touch what both write, and the other way round.
func TestMySQLAndEtcdDisagreeOnWhoWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("/m", "1")
	w.shared()
	_, err := w.single().Once(t.Context())
	require.ErrorIs(t, err, mirror.ErrMode)
	require.NoError(t, mirror.StopSharing(t.Context(), w.target, w.taker(), patience, false))
	w.once()
	require.NoError(t, w.taker().Begin(t.Context()))
	_, err = w.single(w.sharing).Once(t.Context())
	require.ErrorIs(t, err, mirror.ErrMode)
}

// Rule: what was captured is not given up without being told to.
func TestStopSharingKeepsWhatNobodyTook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("/m", "1")
	w.shared()
	w.exec("UPDATE kvData SET kvVal = '2' WHERE kvKey = '/m'")
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.ErrorIs(t, mirror.StopSharing(short, w.target, w.taker(), patience, false), kvdata.ErrNotTaken)
	w.once(w.sharing)
	assert.Equal(t, "2", w.value("/m"))
	require.NoError(t, mirror.StopSharing(t.Context(), w.target, w.taker(), patience, false))
}
