package protocol_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// wishes are what somebody may want of drops.
var wishes = map[string]kv.Op{
	"mark":           protocol.Mark(table, terms, lease),
	"mark at once":   protocol.Mark(table, protocol.Terms{Policy: protocol.Wait}, 0),
	"mark database":  protocol.Mark(db, terms, lease),
	"mark later":     protocol.MarkLater(table, 10*time.Minute, terms, lease),
	"undo":           protocol.Undo(table),
	"retry":          protocol.TryAgain(table),
	"abandon":        protocol.Abandon(table),
	"evict":          protocol.Evict("a", "me"),
	"write settings": protocol.SetTiming(protocol.DefaultTiming),
}

// unread puts records that are none.
func unread(at ...kv.Path) func(store) {
	return func(s store) {
		for _, p := range at {
			s.put(p, "{")
		}
	}
}

// TestWishes: what each wish does, by what there is.
func TestWishes(t *testing.T) {
	nothing := func(store) {}
	phase := func(n protocol.Name, p protocol.Phase) func(store) { return func(s store) { s.marked(n, p) } }
	for _, c := range []struct {
		name    string
		wish    string
		before  func(store)
		fails   error
		text    string // of an error that has no name
		leaves  map[kv.Path]string
		removes []kv.Path
	}{
		{"mark", "mark", func(s store) { s.requested(); s.put(later, "") }, nil, "", map[kv.Path]string{tablePath: by,
			hold: ""}, []kv.Path{request, later}},
		{"without a delay", "mark at once", func(s store) { s.put(hold, "old") }, nil, "",
			map[kv.Path]string{tablePath: "PENDING_DROP:"}, []kv.Path{hold}},
		{"a database", "mark database", nothing, nil, "", map[kv.Path]string{dbPath: by, csskey.Hold("d", ""): "",
			tablePath: "READY"}, nil},
		{"what is marked by hand", "mark", func(s store) { s.put(tablePath, "PENDING_DROP:x") }, nil, "",
			map[kv.Path]string{tablePath: "PENDING_DROP:x"}, nil},
		{"what is marked", "mark", phase(table, protocol.Marked), cssetcd.ErrDropPending, "",
			map[kv.Path]string{tablePath: by}, []kv.Path{hold}},
		{"in a database that is dropped", "mark", phase(db, protocol.Marked), cssetcd.ErrDropPending, "its database", nil,
			[]kv.Path{intent}},
		{"what is not there", "mark", func(s store) { s.remove(tablePath) }, cssetcd.ErrNoSuchTable, "", nil,
			[]kv.Path{intent, tablePath}},
		{"in what is not there", "mark", func(s store) { s.remove(tablePath); s.remove(dbPath) }, cssetcd.ErrNoSuchDB, "",
			nil, []kv.Path{intent}},
		{"a database that is not there", "mark database", func(s store) { s.remove(dbPath) }, cssetcd.ErrNoSuchDB, "", nil,
			[]kv.Path{dbPath}},
		{"in another version", "mark", func(s store) { s.put(version, "99") }, cssetcd.ErrVersionMismatch, "", nil,
			[]kv.Path{intent}},

		{"later", "mark later", nothing, nil, "", map[kv.Path]string{tablePath: "READY", later: ""}, []kv.Path{intent, hold}},
		{"later what is not there", "mark later", func(s store) { s.remove(tablePath) }, cssetcd.ErrNoSuchTable, "", nil,
			[]kv.Path{request, later}},
		{"later what is not READY", "mark later", func(s store) { s.put(tablePath, "DO_NOT_USE") }, protocol.ErrNotReady,
			"DO_NOT_USE", nil, []kv.Path{request}},
		{"later twice", "mark later", store.requested, protocol.ErrRequestMade, "", nil, []kv.Path{later}},

		{"undo a mark", "undo", func(s store) { s.marked(table, protocol.Marked); s.put(hold, "") }, nil, "",
			map[kv.Path]string{tablePath: "READY"}, []kv.Path{intent, hold, ack}},
		{"undo a request", "undo", func(s store) { s.requested(); s.put(later, "") }, nil, "",
			map[kv.Path]string{tablePath: "READY"}, []kv.Path{request, later}},
		{"undo both", "undo", func(s store) { s.marked(table, protocol.Marked); s.requested(); s.put(later, "") }, nil, "",
			map[kv.Path]string{tablePath: "READY"}, []kv.Path{intent, request, later}},
		{"undo over a newer status", "undo", func(s store) { s.marked(table, protocol.Marked); s.put(tablePath, "FAILED:x") },
			nil, "",
			map[kv.Path]string{tablePath: "FAILED:x"}, []kv.Path{intent}},
		{"undo of what is gone", "undo", func(s store) { s.marked(table, protocol.Marked); s.remove(tablePath) }, nil, "",
			nil, []kv.Path{intent, tablePath}},
		{"undo too late", "undo", phase(table, protocol.Dropping), protocol.ErrTooLate, "", map[kv.Path]string{intent: "*"},
			nil},
		{"undo nothing", "undo", nothing, protocol.ErrNoDrop, "", map[kv.Path]string{tablePath: "READY"}, nil},
		{"undo what cannot be read", "undo", unread(intent), nil, "holds", map[kv.Path]string{intent: "{"}, nil},

		{"retry", "retry", phase(table, protocol.Dropping), nil, "", map[kv.Path]string{intent: "*"}, nil},
		{"retry too early", "retry", phase(table, protocol.Marked), protocol.ErrTooEarly, "", nil, nil},
		{"retry nothing", "retry", nothing, protocol.ErrNoDrop, "", nil, []kv.Path{intent}},
		{"retry what cannot be read", "retry", unread(intent), nil, "holds", map[kv.Path]string{intent: "{"}, nil},

		{"abandon", "abandon", phase(table, protocol.Dropping), nil, "", nil, []kv.Path{intent, spelling, ack}},
		{"abandon, and keep another's spelling", "abandon",
			func(s store) { s.marked(table, protocol.Dropping); s.put(spelling, "/DBS/d/TABLES/T") }, nil, "",
			map[kv.Path]string{spelling: "*"}, []kv.Path{intent}},
		{"abandon too early", "abandon", phase(table, protocol.Marked), protocol.ErrTooEarly, "",
			map[kv.Path]string{intent: "*"}, nil},
		{"abandon nothing", "abandon", nothing, protocol.ErrNoDrop, "", nil, nil},
		{"abandon what cannot be read", "abandon", unread(intent), nil, "", nil, []kv.Path{intent}},

		{"evict", "evict", func(s store) { s.registered(false) }, nil, "",
			map[kv.Path]string{czar: `{"name":"","fence":"1s","ending":true,"end_by":"me"}`}, nil},
		{"evict twice", "evict", func(s store) { s.registered(true) }, nil, "",
			map[kv.Path]string{czar: `{"name":"","fence":"1s","ending":true}`}, nil},
		{"evict nobody", "evict", nothing, protocol.ErrNoSuchCzar, "", nil, []kv.Path{czar}},
		{"evict what cannot be read", "evict", unread(czar), nil, "holds", map[kv.Path]string{czar: "{"}, nil},

		{"settings", "write settings", nothing, nil, "",
			map[kv.Path]string{csskey.Config: `{"confirm":"2s","fence":"1m0s","wait":"1m15s","alive":"10s","delay":"30s"}`},
			nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			c.before(s)
			before := s.have().Revision
			_, err := kv.Run(t.Context(), s, wishes[c.wish])
			switch {
			case c.fails != nil:
				require.ErrorIs(t, err, c.fails)
				require.ErrorContains(t, err, c.text)
			case c.text != "":
				require.ErrorContains(t, err, c.text)
			default:
				require.NoError(t, err)
			}
			if err != nil {
				assert.Equal(t, before, s.have().Revision, "nothing was written")
			}
			for p, want := range c.leaves {
				s.holds(p, want)
			}
			for _, p := range c.removes {
				assert.False(t, s.at(p).Exists(), p)
			}
		})
	}
}

// TestWishesWriteDown: what marks, requests and retries keep.
func TestWishesWriteDown(t *testing.T) {
	s := newStore(t)
	k := s.at(tablePath)
	run := func(op kv.Op) {
		t.Helper()
		_, err := kv.Run(t.Context(), s, op)
		require.NoError(t, err)
	}
	run(wishes["mark later"])
	assert.Equal(t, protocol.Request{Incarnation: k.Create, Modified: k.Mod, After: 600, Terms: terms}.Encode(),
		s.at(request).Value)
	run(wishes["mark"])
	want := protocol.Intent{Incarnation: k.Create, Phase: protocol.Marked, Was: "READY", Terms: terms}
	assert.Equal(t, want.Encode(), s.at(intent).Value)
	assert.Equal(t, s.at(intent).Create, s.at(tablePath).Mod, "P")
	run(wishes["undo"])
	s.put(tablePath, "PENDING_DROP:by hand")
	run(wishes["mark"])
	want.Was = string(cssetcd.StatusIgnore) // what it was before nobody knows
	assert.Equal(t, want.Encode(), s.at(intent).Value)
	s.marked(table, protocol.Dropping)
	for n := range 2 {
		run(wishes["retry"])
		retried := protocol.Intent{Incarnation: k.Create, Phase: protocol.Dropping, Was: "READY", Terms: terms, Retry: n + 1}
		assert.Equal(t, retried.Encode(), s.at(intent).Value)
	}
}

// TestWishesKeepTheirLease: a hold and the time before a request are over when their leases are.
func TestWishesKeepTheirLease(t *testing.T) {
	for wish, p := range map[string]kv.Path{"mark": hold, "mark later": later} {
		c, err := wishes[wish].Plan(newStore(t).have())
		require.NoError(t, err)
		assert.Contains(t, c.Puts, kv.Put{Path: p, Lease: lease})
	}
}

// TestWishesDecideOnWhatIs: what changes between the look and the transaction is looked at again.
func TestWishesDecideOnWhatIs(t *testing.T) {
	for wish, c := range map[string]struct {
		before func(store)
		spoilt []string
	}{
		"mark": {func(store) {}, []string{
			"the key was written", "the intent was written", "the database was written", "the database is being dropped",
			"the request was written", "the delay is not over", "the request has time again", "the version is another one",
		}},
		"undo": {func(s store) { s.marked(table, protocol.Marked) }, []string{"the key was written",
			"the intent was written", "the request was written"}},
		"retry": {func(s store) { s.marked(table, protocol.Dropping) }, []string{"the intent was written"}},
		"abandon": {func(s store) { s.marked(table, protocol.Dropping) }, []string{"the intent was written",
			"the spelling is another one's"}},
		"evict": {func(s store) { s.registered(false) }, []string{"the registration was written"}},
	} {
		for _, name := range c.spoilt {
			s := newStore(t)
			c.before(s)
			commits := 0
			first := kvtest.Hooks{Store: s, OnCommit: func(ctx context.Context, change kv.Change,
				next kvtest.Commit) (*kv.Snapshot, error) {
				if commits++; commits == 1 {
					between[name](s)
					got, err := next(ctx, change)
					assert.ErrorIs(t, err, kv.ErrGuard, "%s: %s", wish, name)
					return got, err
				}
				return next(ctx, change)
			}}
			_, _ = kv.Run(t.Context(), first, wishes[wish])
			assert.Positive(t, commits)
		}
	}
}

// TestProgress: how far a drop has come, for who waits for it.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(store)
		want   protocol.Progress
	}{
		{"nothing was done", func(store) {}, protocol.Undone},
		{"requested", store.requested, protocol.UnderWay},
		{"marked", func(s store) { s.marked(table, protocol.Marked) }, protocol.UnderWay},
		{"marked by hand", func(s store) { s.put(tablePath, "PENDING_DROP:x") }, protocol.UnderWay},
		{"its data are being removed", func(s store) { s.marked(table, protocol.Dropping); s.remove(tablePath) },
			protocol.UnderWay},
		{"an intent that cannot be read", unread(intent), protocol.UnderWay},
		{"gone", func(s store) { s.remove(tablePath) }, protocol.Done},
		{"gone, and made again", func(s store) { s.remove(tablePath); s.put(tablePath, "READY") }, protocol.Done},
		{"made again, and that is marked",
			func(s store) { s.remove(tablePath); s.put(tablePath, "READY"); s.marked(table, protocol.Marked) }, protocol.Done},
		{"its database is marked", func(s store) { s.marked(db, protocol.Marked) }, protocol.UnderWay},
		{"gone before its database was marked", func(s store) { s.remove(tablePath); s.marked(db, protocol.Marked) },
			protocol.Done},
		{"gone with its database", func(s store) { s.marked(db, protocol.Dropping); s.remove(tablePath); s.remove(dbPath) },
			protocol.UnderWay},
		{"gone with its database, which has ended", func(s store) { s.remove(tablePath); s.remove(dbPath) }, protocol.Done},
	} {
		s := newStore(t)
		incarnation := s.at(tablePath).Create
		c.before(s)
		have := kvtest.MustFetch(t, s, protocol.ProgressReads(table)...)
		assert.Equal(t, c.want, protocol.ProgressOf(table, incarnation, have), c.name)
	}
	s := newStore(t)
	have := kvtest.MustFetch(t, s, protocol.ProgressReads(db)...)
	assert.Equal(t, protocol.Undone, protocol.ProgressOf(db, s.at(dbPath).Create, have), "a database")
	s.remove(dbPath)
	s.put(db.Intent(), protocol.Intent{Phase: protocol.Dropping, Incarnation: 3}.Encode())
	have = kvtest.MustFetch(t, s, protocol.ProgressReads(db)...)
	assert.Equal(t, protocol.Done, protocol.ProgressOf(db, 4, have), "a database of another incarnation is on its way out")
}
