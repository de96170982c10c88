package protocol_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// TestUseCount: nothing is counted while either the table or its database is blocked; what is counted stays counted.
func TestUseCount(t *testing.T) {
	var w protocol.UseCount
	for n := range 3 {
		next, ok := w.Admit()
		require.True(t, ok)
		w = next
		assert.Equal(t, n+1, w.Queries())
	}
	for _, by := range []protocol.UseCount{protocol.ByTable, protocol.ByDatabase, protocol.ByTable | protocol.ByDatabase} {
		blocked := w | by
		assert.True(t, blocked.Blocked())
		assert.Equal(t, 3, blocked.Queries())
		next, ok := blocked.Admit()
		assert.False(t, ok)
		assert.Equal(t, blocked, next)
		assert.Equal(t, 2, blocked.Release().Queries())
		assert.True(t, blocked.Release().Blocked())
	}
	assert.False(t, w.Blocked())
	assert.Equal(t, w|protocol.ByTable, w.Block())
	assert.Equal(t, w|protocol.ByTable, w.Block().Block())
	assert.Equal(t, w, w.Block().Open())
	assert.Equal(t, w|protocol.ByDatabase, (w | protocol.ByDatabase).Block().Open(), "its database is blocked still")
	assert.Equal(t, protocol.UseCount(0), w.Release().Release().Release())
	assert.Equal(t, protocol.ByTable, protocol.ByTable.Release(), "where none is counted nothing goes below that")
}

// TestFence: who may act, by which proof, and until when.
func TestFence(t *testing.T) {
	const h = 60 * time.Second
	at := func(s time.Duration) protocol.Time {
		return protocol.Time{Mono: s * time.Second, Wall: s * time.Second}
	}
	proof := func(sent time.Duration) protocol.Proof { return protocol.Proof{Sent: at(sent), Valid: true, Length: h} }
	none := protocol.Proof{}
	for _, c := range []struct {
		name       string
		fence      protocol.Fence
		now        time.Duration
		admits     bool
		dispatches bool // a query that was admitted
	}{
		{"no registration", protocol.Fence{Proof: none, Carried: none}, 100, false, false},
		{"no proof", protocol.Fence{Present: true}, 100, false, false},
		{"a proof", protocol.Fence{Present: true, Proof: proof(100)}, 130, true, true},
		{"to its end", protocol.Fence{Present: true, Proof: proof(100)}, 160, true, true},
		{"and no longer", protocol.Fence{Present: true, Proof: proof(100)}, 161, false, false},
		{"the old proof, until there is a new one", protocol.Fence{Present: true, Carried: proof(90)}, 100, false, true},
		{"the old proof is over", protocol.Fence{Present: true, Carried: proof(30)}, 100, false, false},
		{"the new proof alone", protocol.Fence{Present: true, Proof: proof(30), Carried: proof(90)}, 100, false, false},
		{"the registration is gone", protocol.Fence{Carried: proof(90)}, 100, false, true},
	} {
		assert.Equal(t, c.admits, c.fence.Admits(at(c.now)), c.name)
		assert.Equal(t, c.dispatches, c.fence.MayDispatch(at(c.now)), c.name)
	}
}

func TestNames(t *testing.T) {
	assert.Equal(t, "d.t", table.String())
	assert.Equal(t, "d", db.String())
	assert.Equal(t, db, table.Database())
	assert.Equal(t, db, db.Database())
	assert.True(t, db.IsDatabase())
	assert.False(t, table.IsDatabase())
	assert.True(t, protocol.IsName(string(table)))
	assert.False(t, protocol.IsName(string(table)+"/schema"))
	name, of := table.Parts()
	assert.Equal(t, []string{"d", "t"}, []string{name, of})
}

// TestEntries: what a status means to queries; of what is not there it is said when that was seen.
func TestEntries(t *testing.T) {
	for value, want := range map[string]protocol.Standing{
		"READY": protocol.Ready, "PENDING_DROP:x": protocol.DropPending, "DO_NOT_USE": protocol.Unready,
		"PENDING_CREATE:x": protocol.Unready, "": protocol.Unready,
	} {
		got := protocol.EntryOf(kv.Entry{Value: value, Create: 3, Mod: 5}, 9)
		assert.Equal(t, protocol.Entry{Standing: want, Incarnation: 3, Modified: 5}, got, value)
	}
	assert.Equal(t, protocol.Entry{Standing: protocol.Gone, Modified: 9}, protocol.EntryOf(kv.Entry{}, 9))
}

// TestShortened: what failed is kept as long as etcd can hold it, and as text.
func TestShortened(t *testing.T) {
	whole := strings.Repeat("x", 4000)
	assert.Equal(t, whole, protocol.Shortened(whole))
	assert.Equal(t, whole+"...", protocol.Shortened(whole+"y"))
	assert.Equal(t, "a?b", protocol.Shortened("a\xffb"))
}

// TestConfirmationsLook: a confirmation reads the intents of what it is to look at, and finds those whose queries are
// to end.
func TestConfirmationsLook(t *testing.T) {
	other, waits := protocol.TableName("d", "o"), protocol.TableName("d", "w")
	unread, dropped := protocol.TableName("d", "u"), protocol.TableName("d", "x")
	s := newStore(t)
	s.registered(false)
	s.marked(table, protocol.Marked)
	s.put(waits.Intent(), protocol.Intent{Phase: protocol.Marked,
		Terms: protocol.Terms{Policy: protocol.Wait}}.Encode())
	s.put(dropped.Intent(), protocol.Intent{Phase: protocol.Dropping, Terms: terms}.Encode())
	s.put(unread.Intent(), "{")
	look := []protocol.Name{other, waits, unread, dropped, table}
	g, err := protocol.ReadRegistrationContext(s.have())
	require.NoError(t, err)
	got, err := s.Commit(t.Context(), g.Confirm("a", s.at(czar).Mod, protocol.Heartbeat{}, lease, look))
	require.NoError(t, err)
	assert.Equal(t, []protocol.Cancelling{{Name: table, Mark: s.at(intent).Create}}, g.ToCancel(got, look))
	s.put(csskey.Hold(table.Parts()), "")
	got, err = s.Commit(t.Context(), g.Confirm("a", s.at(czar).Mod, protocol.Heartbeat{}, lease, look))
	require.NoError(t, err)
	assert.Empty(t, g.ToCancel(got, look), "queries have the agreed delay")
}

// TestProofByReading: etcd answers a transaction that reads nothing from whatever a member happens to know, so the
// proof has to read.
func TestProofByReading(t *testing.T) {
	c := protocol.RegistrationContext{}.ConfirmByReading("a", 3, nil)
	assert.False(t, c.Writes())
	assert.Contains(t, c.Gets, kv.Key(czar))
	assert.Contains(t, c.Guards, kv.Guard{Kind: kv.ModIs, Path: czar, Revision: 3})
}

// TestLivesAreOnTheirLease: a czar that dies without a word is noticed by its lease.
func TestLivesAreOnTheirLease(t *testing.T) {
	var g protocol.RegistrationContext
	for _, c := range []kv.Change{g.Register("a", "here", time.Unix(0, 0), lease), g.Confirm("a", 3, protocol.Heartbeat{},
		lease, nil)} {
		assert.Contains(t, c.Puts, kv.Put{Path: alive, Value: `{"seen":0}`, Lease: lease})
	}
}

// TestSettingsOfARegistration: a czar registers under the settings that it read, and not beside later ones.
func TestSettingsOfARegistration(t *testing.T) {
	s := newStore(t)
	s.put(csskey.Config, `{"confirm":"1s","fence":"4s","wait":"5s"}`)
	g, err := protocol.ReadRegistrationContext(kvtest.MustFetch(t, s, protocol.RegistrationContextReads()...))
	require.NoError(t, err)
	assert.Equal(t, 4*time.Second, g.Timing.Fence)
	_, err = s.Commit(t.Context(), g.Register("a", "here", time.Unix(0, 0), lease))
	require.NoError(t, err)
	assert.Equal(t, `{"name":"here","fence":"4s","since":"1970-01-01T00:00:00Z"}`, s.at(czar).Value)
	s.put(csskey.Config, `{"confirm":"1h"}`)
	_, err = protocol.ReadRegistrationContext(s.have())
	require.ErrorIs(t, err, protocol.ErrTiming)
}

// What lies below a name, and the packed keys beside it, are no names.
func TestObservationsAreOfNames(t *testing.T) {
	b := kv.NewSnapshot(9, csskey.Catalogue).Edit()
	for _, key := range []string{"/DBS/d", "/DBS/d/.packed.json", "/DBS/d/TABLES", "/DBS/d/TABLES/t",
		"/DBS/d/TABLES/t/schema", "/NODES/w"} {
		b.Put(csskey.Of(key), kv.Entry{Value: "READY", Create: 3, Mod: 4})
	}
	var names []protocol.Name
	for _, s := range protocol.ObservationsIn(b.Snapshot(9)) {
		assert.Equal(t, protocol.Entry{Standing: protocol.Ready, Incarnation: 3, Modified: 4}, s.Entry)
		names = append(names, s.Name)
	}
	assert.Equal(t, []protocol.Name{protocol.DatabaseName("d"), protocol.TableName("d", "t")}, names)
}
