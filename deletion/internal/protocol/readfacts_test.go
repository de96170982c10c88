package protocol_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// facts returns what a coordinator reads.
func (s store) facts(marked ...protocol.Name) (protocol.Facts, []error) {
	have, entries := kvtest.MustFetch(s.t, s, protocol.FactReads()...), map[protocol.Name]kv.Entry{}
	for _, n := range protocol.NamesIn(have, marked) {
		entries[n] = s.at(n.Path())
	}
	return protocol.ReadFacts(have, entries)
}

func (s store) entry(n protocol.Name) protocol.Entry {
	return protocol.EntryOf(s.at(n.Path()), s.have().Revision)
}

// TestFacts: all that a coordinator finds, each with what it is decided by.
func TestFacts(t *testing.T) {
	s := newStore(t)
	byHand, asked := protocol.TableName("d", "byhand"), protocol.TableName("d", "asked")
	gone := protocol.TableName("d", "gone")
	s.put(czar, protocol.Registration{Name: "here", Fence: "5s"}.Encode())
	// which puts two acknowledgements, one of them of another mark
	s.marked(table, protocol.Marked)
	s.put(czar, protocol.Registration{Name: "here", Fence: "5s"}.Encode()) // again: it was there before the mark
	s.put(csskey.Czars+"/later", protocol.Registration{Fence: "5s", Ending: true}.Encode())
	s.put(alive, protocol.Heartbeat{Seen: 9}.Encode())
	s.put(hold, "")
	mark := s.at(intent).Create
	s.remove(ack)
	s.put(acknowledged(mark), "")
	s.put(byHand.Path(), "PENDING_DROP:x")
	s.put(asked.Path(), "READY")
	request := protocol.Request{Incarnation: 1, Modified: 2, Terms: terms}
	s.put(csskey.Request(asked.Parts()), request.Encode())
	s.put(csskey.Later(asked.Parts()), "")
	s.put(csskey.Intent(gone.Parts()), protocol.Intent{Phase: protocol.Dropping}.Encode())
	s.put(csskey.Request(gone.Parts()), request.Encode())
	s.put(csskey.Config, `{"confirm":"1s","fence":"4s","wait":"5s"}`)

	f, faults := s.facts(byHand)
	require.Empty(t, faults)
	now, parent := s.have().Revision, s.at(dbPath).Mod
	found := func(n protocol.Name) protocol.Found {
		return protocol.Found{Name: n, Entry: s.entry(n), Status: s.at(n.Path()).Value, Parent: parent}
	}
	timing := protocol.DefaultTiming
	timing.Confirm, timing.Fence, timing.Wait = time.Second, 4*time.Second, 5*time.Second
	assert.Equal(t, protocol.Facts{
		At: now, History: "h", RegistrationsAt: now, Timing: timing,
		Drops: []protocol.Drop{
			{Found: found(gone), Intent: protocol.Intent{Phase: protocol.Dropping},
				Mark:     s.at(csskey.Intent(gone.Parts())).Create,
				Modified: s.at(csskey.Intent(gone.Parts())).Mod},
			{Found: found(table), Intent: protocol.Intent{Incarnation: s.at(tablePath).Create, Phase: protocol.Marked,
				Was: "READY", Terms: terms},
				Mark: mark, Modified: s.at(intent).Mod, Held: true, Present: []string{"a"}, Acknowledged: []string{"a"}},
		},
		Requests: []protocol.Requested{
			{Found: found(asked), Request: request, Modified: s.at(csskey.Request(asked.Parts())).Mod},
			{Found: found(gone), Request: request, Modified: s.at(csskey.Request(gone.Parts())).Mod, Due: true, Marked: true},
		},
		Unasked: []protocol.Found{found(byHand)},
		Registrations: []protocol.Registered{
			{ID: "a", Modified: s.at(czar).Mod, Fence: 5 * time.Second, Alive: true, Record: protocol.Registration{Name: "here",
				Fence: "5s"},
				Heartbeat: protocol.Heartbeat{Seen: 9}},
			{ID: "later", Modified: s.at(csskey.Czars + "/later").Mod, Ending: true, Fence: 5 * time.Second,
				Record: protocol.Registration{Fence: "5s", Ending: true}},
		},
	}, f)
}

// acknowledged returns where czar a acknowledges a mark.
func acknowledged(mark protocol.Revision) kv.Path {
	return csskey.Acks + kv.Path("/"+strconv.FormatInt(int64(mark), 10)+"/a")
}

// TestFactsOfADatabase: it is occupied by drops and by requests of its tables, and what is in it knows that it is on
// its way out.
func TestFactsOfADatabase(t *testing.T) {
	for name, c := range map[string]struct {
		before   func(store)
		occupied bool
	}{
		"nothing in it":        {func(store) {}, false},
		"a drop in it":         {func(s store) { s.marked(table, protocol.Dropping) }, true},
		"a request in it":      {store.requested, true},
		"a drop in another":    {func(s store) { s.put(csskey.Intent("d2", "t"), "{}") }, false},
		"a request in another": {func(s store) { s.put(csskey.Request("d2", "t"), "{}") }, false},
	} {
		s := newStore(t)
		c.before(s)
		s.marked(db, protocol.Marked)
		f, _ := s.facts(table)
		for _, d := range f.Drops {
			if d.Name == db {
				assert.Equal(t, c.occupied, d.Occupied, name)
				assert.Zero(t, d.Parent)
				assert.False(t, d.ParentDropping)
			}
			if d.Name == table {
				assert.True(t, d.ParentDropping)
				assert.False(t, d.Occupied)
			}
		}
		for _, r := range f.Requests {
			assert.Equal(t, r.Name.Database() == db, r.ParentDropping, name)
		}
	}
}

// TestFactsThatCannotBeRead are told and left out; a czar that cannot be read is waited for as long as any can be.
func TestFactsThatCannotBeRead(t *testing.T) {
	s := newStore(t)
	unread(csskey.Config, intent, csskey.Request("d", "r"), czar)(s)
	s.put(csskey.Czars+"/odd", `{"fence":"soon"}`)
	s.put(csskey.Drops+"/elsewhere", "")
	s.put(csskey.Drops+"/db/d/what", "{}")
	f, faults := s.facts()
	assert.Equal(t, protocol.DefaultTiming, f.Timing)
	assert.Empty(t, f.Drops)
	assert.Empty(t, f.Requests)
	for _, r := range f.Registrations {
		assert.Equal(t, 24*time.Hour, r.Fence)
		assert.Equal(t, "24h0m0s", r.Record.Fence)
		assert.False(t, r.Ending)
	}
	assert.Len(t, f.Registrations, 2)
	require.Len(t, faults, 5)
	require.ErrorIs(t, faults[0], protocol.ErrTiming)
	require.ErrorContains(t, faults[1], "drop/request/d/r holds \"{\"")
	require.ErrorContains(t, faults[2], "drop/table/d/t holds \"{\"")
	var registration *protocol.RegistrationError
	require.ErrorAs(t, faults[3], &registration)
	assert.Equal(t, "a", registration.ID)
	require.ErrorContains(t, faults[4], "the registration odd")
	assert.Empty(t, f.Unasked)
}

// TestReadsOfOne: what is read for one name is enough for what all facts say of it, and of what concerns it.
func TestReadsOfOne(t *testing.T) {
	s := newStore(t)
	s.registered(false)
	s.requested()
	s.put(later, "")
	s.marked(table, protocol.Marked)
	s.put(hold, "")
	mine := acknowledged(s.at(intent).Create)
	s.put(mine, "")
	s.marked(db, protocol.Marked)
	for _, n := range []protocol.Name{table, db} {
		have := kvtest.MustFetch(t, s, protocol.OneReads(n)...)
		have = kvtest.MustFetch(t, s, append(protocol.OneReads(n), append(protocol.AcksReads(n, have),
			protocol.BegunReads(n)...)...)...)
		for _, p := range []kv.Path{n.Intent(), csskey.Request(n.Parts()), csskey.Later(n.Parts()),
			csskey.Hold(n.Parts()), n.Path(), czar, alive} {
			assert.Equal(t, s.at(p), have.At(p), p)
		}
		assert.True(t, have.Shows(kv.Key(csskey.Intent("d", ""))))
		assert.True(t, have.Shows(kv.Key(csskey.Request("d", ""))))
		if n == db {
			assert.False(t, have.Empty(kv.Below(csskey.TableIntents("d"))))
			assert.False(t, have.Empty(kv.Below(csskey.TableRequests("d"))))
		} else {
			assert.Equal(t, s.at(dbPath), have.At(dbPath))
			assert.Equal(t, s.at(mine), have.At(mine))
		}
	}
	concerned := func(n protocol.Name, p kv.Path) bool {
		for _, span := range protocol.BegunReads(n) {
			if span.Contains(p) {
				return true
			}
		}
		return false
	}
	for p, of := range map[kv.Path][2]bool{ // of the table, of the database
		intent: {true, true}, request: {true, true},
		csskey.Intent("d", ""): {true, true}, csskey.Request("d", ""): {true, true},
		csskey.Intent("d", "other"): {false, true}, csskey.Request("d", "other"): {false, true},
		csskey.Intent("d2", ""): {false, false},
	} {
		assert.Equal(t, of, [2]bool{concerned(table, p), concerned(db, p)}, p)
	}
}

// TestAcknowledgementsTogether: those of tables that were marked at once are one key; when one has no drop any more,
// the others are found that have.
func TestAcknowledgementsTogether(t *testing.T) {
	s := newStore(t)
	s.registered(false)
	other := protocol.TableName("d", "other")
	puts := []kv.Put{{Path: intent, Value: "{}"}, {Path: other.Intent(), Value: "{}"},
		{Path: other.Path(), Value: by}}
	mark := kvtest.MustCommit(t, s, kv.Change{Puts: puts})
	s.put(db.Intent(), "{}")
	g, err := protocol.ReadRegistrationContext(s.have())
	require.NoError(t, err)
	of := func(n protocol.Name) protocol.Acknowledgement {
		return protocol.Acknowledgement{Name: n, Mark: s.at(n.Intent()).Create, ID: "a", Registered: s.at(czar).Mod}
	}
	all := []protocol.Acknowledgement{of(table), of(other), of(db)}
	change := g.Acknowledge(all...)
	first, second := acknowledged(mark), acknowledged(mark+1)
	assert.Equal(t, []kv.Put{{Path: first}, {Path: second}}, change.Puts)
	s.remove(other.Intent())
	_, err = s.Commit(t.Context(), change)
	require.ErrorIs(t, err, kv.ErrGuard)
	have := kvtest.MustFetch(t, s, g.AcknowledgeReads(all...)...)
	assert.Equal(t, []protocol.Acknowledgement{all[0], all[2]}, g.Acknowledgeable(have, all))
}

// TestRemovalsGoOn: a removal goes on with the intent as it is now, and not with that of another drop.
func TestRemovalsGoOn(t *testing.T) {
	s := newStore(t)
	s.marked(table, protocol.Dropping)
	a := s.action(protocol.Remove)
	l := protocol.Leadership{Key: election, Created: s.at(election).Create}
	kvtest.MustCommit(t, s, l.Troubled(a, "a worker is slow"))
	renewed, ok := protocol.Renewed(a, s.have())
	require.True(t, ok)
	assert.Equal(t, s.at(intent).Mod, renewed.Modified)
	assert.Equal(t, "a worker is slow", renewed.Intent.Trouble)
	_, err := s.Commit(t.Context(), l.Troubled(a, "again"))
	require.ErrorIs(t, err, kv.ErrGuard, "the intent was written since")
	kvtest.MustCommit(t, s, l.Failed(renewed, assert.AnError))
	failed, ok := protocol.Renewed(a, s.have())
	require.True(t, ok)
	i := failed.Intent
	assert.Equal(t, [3]any{assert.AnError.Error(), 1, ""}, [3]any{i.Error, i.Attempts, i.Trouble})

	for _, c := range []struct {
		name   string
		change func()
	}{
		{"marked", func() { s.put(intent, protocol.Intent{Phase: protocol.Marked}.Encode()) }},
		{"unread", func() { s.put(intent, "{") }},
		{"gone", func() { s.remove(intent) }},
		{"another drop", func() { s.put(intent, protocol.Intent{Phase: protocol.Dropping}.Encode()) }},
	} {
		c.change()
		same, ok := protocol.Renewed(a, s.have())
		assert.False(t, ok, c.name)
		assert.Equal(t, a, same, c.name)
	}
}
