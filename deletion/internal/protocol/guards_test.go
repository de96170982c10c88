package protocol_test

import (
	"errors"
	"slices"
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

// The transactions of the protocol, each by itself: what it leaves, and that it does not commit when something that it
// was decided on has changed meanwhile.

var (
	table, db = protocol.TableName("d", "t"), protocol.DatabaseName("d")
	tablePath = table.Path()
	dbPath    = db.Path()
	spelling  = csskey.Spelling(string(table))
	intent    = csskey.Intent("d", "t")
	hold      = csskey.Hold("d", "t")
	request   = csskey.Request("d", "t")
	later     = csskey.Later("d", "t")
	czar      = csskey.Czars + "/a"
	alive     = csskey.Alive + "/a"
	version   = csskey.Of(csskey.Version)
	ack       = csskey.Acks + "/9/a" // of what is marked first
	otherAck  = csskey.Acks + "/99/a"
)

const (
	election = csskey.Coordinators + "/7"
	lease    = 77
	by       = "PENDING_DROP:2026-11-21T00:00:00Z:by=me"
)

var terms = protocol.Terms{Delay: 30, Policy: protocol.Cancel, By: "me", Since: "2026-11-21T00:00:00Z"}

// store is the catalogue d.t in memory, with a leader.
type store struct {
	*kv.Memory
	t *testing.T
}

func newStore(t *testing.T) store {
	s := store{kv.NewMemory(), t}
	s.put(version, cssetcd.Version)
	s.put(csskey.History, "h")
	s.put(election, "")
	s.put(dbPath, "READY")
	s.put(tablePath, "READY")
	s.put(tablePath+"/schema", "(a INT)")
	s.put(spelling, string(table))
	return s
}

func (s store) put(p kv.Path, value string) { kvtest.MustPut(s.t, s, string(p), value) }

func (s store) remove(p kv.Path) {
	kvtest.MustCommit(s.t, s, kv.Change{Deletes: []kv.Span{kv.Key(p)}})
}

func (s store) have() *kv.Snapshot { return kvtest.MustFetch(s.t, s, kv.Everything) }

func (s store) at(p kv.Path) kv.Entry { return s.have().At(p) }

// holds checks the value of a key, of which "*" is any.
func (s store) holds(p kv.Path, want string) {
	s.t.Helper()
	got := s.at(p)
	assert.True(s.t, got.Exists(), p)
	if want != "*" {
		assert.Equal(s.t, want, got.Value, p)
	}
}

// marked puts an intent in a phase, and with it what the mark writes.
func (s store) marked(n protocol.Name, phase protocol.Phase) {
	i := protocol.Intent{Incarnation: s.at(n.Path()).Create, Phase: phase, Was: "READY", Terms: terms}
	puts := []kv.Put{{Path: n.Intent(), Value: i.Encode()}, {Path: n.Path(), Value: by}}
	kvtest.MustCommit(s.t, s, kv.Change{Puts: puts})
	s.put(ack, "")
	s.put(otherAck, "")
}

func (s store) requested() {
	k := s.at(tablePath)
	s.put(request, protocol.Request{Incarnation: k.Create, Modified: k.Mod, Terms: terms}.Encode())
}

func (s store) registered(ending bool) {
	s.put(czar, protocol.Registration{Fence: "1s", Ending: ending}.Encode())
}

// action returns the one of a kind that a coordinator takes an hour after it began, with no czar in the way.
func (s store) action(kind protocol.ActionKind) protocol.Action {
	have, entries := s.have(), map[protocol.Name]kv.Entry{}
	for _, n := range protocol.NamesIn(have, []protocol.Name{table}) {
		entries[n] = have.At(n.Path())
	}
	f, faults := protocol.ReadFacts(have, entries)
	require.Empty(s.t, faults)
	var c protocol.Coordinator
	c.Step(f, protocol.Time{})
	for _, a := range c.Step(f, protocol.Time{Mono: time.Hour, Wall: time.Hour}) {
		if a.Kind == kind {
			return a
		}
	}
	require.Fail(s.t, "no such action", kind)
	return protocol.Action{}
}

// coordinator returns the transaction of an action of the one that leads.
func coordinator(kind protocol.ActionKind) func(store) kv.Change {
	return func(s store) kv.Change {
		l, a := protocol.Leadership{Key: election, Created: s.at(election).Create}, s.action(kind)
		if kind == protocol.Remove {
			return l.Removed(a, s.have())
		}
		return l.Change(a, lease, nil)
	}
}

func czarDoes(change func(protocol.RegistrationContext, store) kv.Change) func(store) kv.Change {
	return func(s store) kv.Change {
		g, err := protocol.ReadRegistrationContext(s.have())
		require.NoError(s.t, err)
		return change(g, s)
	}
}

// What may happen between a decision and its transaction.
var between = map[string]func(store){
	"another leads":                     func(s store) { s.remove(election); s.put(election, "") },
	"the version is another one":        func(s store) { s.put(version, "99") },
	"the history is another one":        func(s store) { s.put(csskey.History, "other") },
	"the settings were written":         func(s store) { s.put(csskey.Config, "{}") },
	"the key was written":               func(s store) { s.put(tablePath, "READY") },
	"the database was written":          func(s store) { s.put(dbPath, "READY") },
	"the database is being dropped":     func(s store) { s.put(csskey.Intent("d", ""), "{}") },
	"the intent was written":            func(s store) { s.put(intent, "{}") },
	"the database's intent was written": func(s store) { s.put(csskey.Intent("d", ""), "{}") },
	"the request was written":           func(s store) { s.put(request, "{}") },
	"the request has time again":        func(s store) { s.put(later, "") },
	"the delay is not over":             func(s store) { s.put(hold, "") },
	"the database's delay is not over":  func(s store) { s.put(csskey.Hold("d", ""), "") },
	"a table of it is being dropped":    func(s store) { s.put(csskey.Intent("d", "other"), "{}") },
	"a drop of a table is requested":    func(s store) { s.put(csskey.Request("d", "other"), "{}") },
	"the spelling is another one's":     func(s store) { s.put(spelling, "/DBS/d/TABLES/T") },
	"the registration was written":      func(s store) { s.put(czar, "{}") },
	"the czar is alive":                 func(s store) { s.put(alive, "{}") },
	"the drop is another one":           func(s store) { s.remove(intent); s.put(intent, "{}") },
}

var leads = []string{"another leads", "the version is another one"}

// TestTransactions: each transaction with what must have been there, what it leaves of that and of what it writes, and
// what it does not bear.
func TestTransactions(t *testing.T) {
	nothing := func(store) {}
	for _, c := range []struct {
		name    string
		before  func(store)
		change  func(store) kv.Change
		leaves  map[kv.Path]string // "*": any value
		removes []kv.Path
		spoilt  []string
	}{
		{
			"mark what was requested", store.requested, coordinator(protocol.MarkNow),
			map[kv.Path]string{tablePath: by, intent: "*", hold: "", dbPath: "READY"}, []kv.Path{request},
			append(leads, "the request was written", "the request has time again", "the key was written",
				"the intent was written", "the database was written", "the database is being dropped"),
		},
		{
			"withdraw a request", func(s store) { s.requested(); s.put(later, ""); s.put(tablePath, "READY") },
			coordinator(protocol.Withdraw),
			map[kv.Path]string{tablePath: "READY"}, []kv.Path{request, later},
			append(leads, "the request was written"),
		},
		{
			"adopt a mark", func(s store) { s.put(tablePath, "PENDING_DROP:x") }, coordinator(protocol.Adopt),
			map[kv.Path]string{tablePath: "PENDING_DROP:x", intent: "*", hold: ""}, nil,
			append(leads, "the key was written", "the intent was written", "the database was written",
				"the database is being dropped"),
		},
		{
			"end an intent", func(s store) { s.marked(table, protocol.Marked); s.put(hold, ""); s.put(tablePath, "READY") },
			coordinator(protocol.EndIntent),
			map[kv.Path]string{tablePath: "READY"}, []kv.Path{intent, hold, ack},
			append(leads, "the intent was written", "the key was written"),
		},
		{
			"end an intent to drop what is gone", func(s store) { s.marked(table, protocol.Marked); s.remove(tablePath) },
			coordinator(protocol.EndIntent), map[kv.Path]string{otherAck: ""}, []kv.Path{intent, ack},
			append(leads, "the intent was written", "the key was written"),
		},
		{
			"execute", func(s store) { s.marked(table, protocol.Marked) }, coordinator(protocol.Execute),
			map[kv.Path]string{intent: "*", dbPath: "READY", spelling: string(table), otherAck: ""},
			[]kv.Path{tablePath, tablePath + "/schema", ack},
			append(leads, "the intent was written", "the delay is not over", "the key was written"),
		},
		{
			"execute a database", func(s store) { s.marked(db, protocol.Marked) }, func(s store) kv.Change {
				a := s.action(protocol.Execute)
				require.Equal(s.t, db, a.Name)
				return coordinator(protocol.Execute)(s)
			},
			map[kv.Path]string{csskey.Intent("d", ""): "*"}, []kv.Path{dbPath, tablePath},
			append(leads, "the database's intent was written", "the database's delay is not over", "the database was written",
				"a table of it is being dropped", "a drop of a table is requested"),
		},
		{
			"data are removed", func(s store) { s.marked(table, protocol.Dropping); s.put(hold, "") },
			coordinator(protocol.Remove),
			nil, []kv.Path{intent, hold, spelling, ack},
			append(leads, "the intent was written", "the drop is another one", "the spelling is another one's"),
		},
		{
			"data could not be removed", func(s store) { s.marked(table, protocol.Dropping) }, func(s store) kv.Change {
				l := protocol.Leadership{Key: election, Created: s.at(election).Create}
				return l.Failed(s.action(protocol.Remove), errors.New("why"))
			},
			map[kv.Path]string{intent: "*"}, nil,
			append(leads, "the intent was written", "the drop is another one"),
		},
		{
			"begin to end a registration", func(s store) { s.registered(false) }, coordinator(protocol.BeginEnding),
			map[kv.Path]string{czar: `{"name":"","fence":"1s","ending":true,"end_by":"its lease was gone"}`}, nil,
			append(leads, "the czar is alive", "the registration was written"),
		},
		{
			"end a registration", func(s store) { s.registered(true); s.put(alive, "") }, coordinator(protocol.Deregister),
			nil, []kv.Path{czar, alive},
			append(leads, "the registration was written"),
		},
		{
			"register", nothing, czarDoes(func(g protocol.RegistrationContext, _ store) kv.Change {
				return g.Register("a", "here", time.Unix(0, 0), lease)
			}),
			map[kv.Path]string{czar: `{"name":"here","fence":"1m0s","since":"1970-01-01T00:00:00Z"}`, alive: "*"}, nil,
			[]string{"the registration was written", "the settings were written", "the history is another one"},
		},
		{
			"register without a history", func(s store) { s.remove(csskey.History) },
			czarDoes(func(g protocol.RegistrationContext, _ store) kv.Change {
				return g.Register("a", "here", time.Unix(0, 0), lease)
			}),
			map[kv.Path]string{czar: "*"}, nil,
			[]string{"the registration was written", "the settings were written", "the history is another one"},
		},
		{
			"confirm", func(s store) { s.registered(false) }, czarDoes(func(g protocol.RegistrationContext, s store) kv.Change {
				return g.Confirm("a", s.at(czar).Mod, protocol.Heartbeat{Seen: 9}, lease, nil)
			}),
			map[kv.Path]string{alive: `{"seen":9}`}, nil,
			[]string{"the registration was written", "the history is another one"},
		},
		{
			"acknowledge", func(s store) { s.registered(false); s.marked(table, protocol.Marked) },
			czarDoes(func(g protocol.RegistrationContext, s store) kv.Change {
				a := protocol.Acknowledgement{Name: table, Mark: s.at(intent).Create, ID: "a", Registered: s.at(czar).Mod}
				return g.Acknowledge(a)
			}),
			nil, nil,
			[]string{"the registration was written", "the history is another one", "the drop is another one"},
		},
		{
			"leave", func(s store) { s.registered(false); s.put(alive, "") },
			czarDoes(func(g protocol.RegistrationContext, s store) kv.Change { return g.Leave("a", s.at(czar).Mod) }),
			nil, []kv.Path{czar, alive},
			[]string{"the registration was written", "the history is another one"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			c.before(s)
			change := c.change(s)
			before := s.have().Revision
			_, err := s.Commit(t.Context(), change)
			require.NoError(t, err)
			require.Equal(t, before+1, s.have().Revision)
			for p, want := range c.leaves {
				s.holds(p, want)
			}
			for _, p := range c.removes {
				assert.False(t, s.at(p).Exists(), p)
			}
			for _, name := range c.spoilt {
				s := newStore(t)
				c.before(s)
				change := c.change(s)
				between[name](s)
				_, err := s.Commit(t.Context(), change)
				require.ErrorIs(t, err, kv.ErrGuard, name)
			}
			for i := range change.Guards { // none that nothing breaks, either
				less := change
				less.Guards = slices.Delete(slices.Clone(change.Guards), i, i+1)
				assert.True(t, slices.ContainsFunc(c.spoilt, func(name string) bool {
					s := newStore(t)
					c.before(s)
					between[name](s)
					_, err := s.Commit(t.Context(), less)
					return err == nil
				}), "%+v is for nothing that is tried here", change.Guards[i])
			}
		})
	}
}

// TestHoldsAreOnTheirLease: the delay is over when the lease is, and a delay of 0 leaves no hold of an earlier drop.
func TestHoldsAreOnTheirLease(t *testing.T) {
	for kind, before := range map[protocol.ActionKind]func(store){
		protocol.MarkNow: store.requested,
		protocol.Adopt:   func(s store) { s.put(tablePath, "PENDING_DROP:x") },
	} {
		s := newStore(t)
		before(s)
		a, l := s.action(kind), protocol.Leadership{Key: election}
		assert.True(t, a.NeedsLease(), kind)
		assert.Equal(t, 30, a.Delay(), kind)
		assert.Contains(t, l.Change(a, lease, nil).Puts, kv.Put{Path: hold, Lease: lease})
		assert.Contains(t, l.Change(a, 0, nil).Deletes, kv.Key(hold))
		a.Request.Delay, a.Intent.Delay = 0, 0
		assert.False(t, a.NeedsLease(), kind)
	}
	assert.False(t, protocol.Action{Kind: protocol.Execute, Intent: protocol.Intent{Terms: terms}}.NeedsLease())
}

// TestIntentsOfTransactions: what is written down of a drop on its way.
func TestIntentsOfTransactions(t *testing.T) {
	s := newStore(t)
	incarnation := s.at(tablePath).Create
	written := func(c kv.Change) string {
		i := slices.IndexFunc(c.Puts, func(p kv.Put) bool { return p.Path == intent })
		require.GreaterOrEqual(t, i, 0)
		return c.Puts[i].Value
	}
	s.requested()
	want := protocol.Intent{Incarnation: incarnation, Phase: protocol.Marked, Was: "READY", Terms: terms}
	assert.Equal(t, want.Encode(), written(coordinator(protocol.MarkNow)(s)))
	s.remove(request)

	s.put(tablePath, "PENDING_DROP:x")
	adopted := want
	adopted.Terms = protocol.Terms{Delay: 30, Policy: protocol.Wait, By: "a status written by hand"}
	assert.Equal(t, adopted.Encode(), written(coordinator(protocol.Adopt)(s)))

	s.marked(table, protocol.Marked)
	l, a := protocol.Leadership{Key: election}, s.action(protocol.Execute)
	executed := want
	executed.Phase, executed.History = protocol.Dropping, "h"
	executed.Tables = []protocol.Table{{Table: "t", Incarnation: incarnation, ChunkLevel: 2}}
	assert.Equal(t, executed.Encode(), written(l.Change(a, 0, executed.Tables)))

	s.marked(table, protocol.Dropping)
	failed := want
	failed.Phase, failed.Error, failed.Attempts = protocol.Dropping, "why", 1
	assert.Equal(t, failed.Encode(), written(l.Failed(s.action(protocol.Remove), errors.New("why"))))
}
