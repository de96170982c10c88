package kvdata_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/testkit/upstream"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// The rows of small.
var (
	rowN     = plan.Row{ID: 2, Parent: 1, Key: "/n", Value: "READY"}
	rowC     = plan.Row{ID: 3, Parent: 2, Key: "/n/c", Value: "v0"}
	rowM     = plan.Row{ID: 4, Parent: 1, Key: "/m", Value: "v0"}
	smallLen = 8
)

func with(r plan.Row, value string) plan.Update {
	now := r
	now.Value = value
	return plan.Update{Old: r, New: now}
}

// step is a transaction that takes the inbox, from the revision that kvData shows to the next one.
func (w *capturing) step(p *plan.Plan, known []int64, conflicts ...inbox.Conflict) kvdata.Step {
	return kvdata.Step{Term: w.state.Term, From: w.state.Applied, To: w.state.Applied + 1, Plan: p,
		Inbox: &kvdata.InboxStep{Known: known, Conflicts: conflicts}}
}

// apply executes such a step, which must go through.
func (w *capturing) apply(p *plan.Plan, known []int64, conflicts ...inbox.Conflict) {
	w.t.Helper()
	require.NoError(w.t, w.mirror.Apply(w.t.Context(), w.step(p, known, conflicts...)))
	w.state.Applied++
}

func ids(rows []inbox.Row) (all []int64) {
	for _, r := range rows {
		all = append(all, r.ID)
	}
	return all
}

// everything is all that a step can change.
func (w *capturing) everything() []any {
	w.t.Helper()
	c := w.other()
	defer c.Close()
	answers := w.does(c, allRows, "SELECT id, css_key FROM css_mirror_inbox", "SELECT * FROM css_mirror_conflicts",
		"SELECT * FROM css_mirror_foreign", "SELECT * FROM css_mirror_state")
	all := []any{}
	for _, a := range answers {
		require.Zero(w.t, a.Error, a.Text)
		all = append(all, a.Rows)
	}
	return all
}

// Rule: one transaction changes rows, takes what is known out of the inbox, records conflicts and moves the revision
// on; rows that are not known stay, if they are of other keys.
func TestStepTakesTheInbox(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	w.exec("UPDATE kvData SET kvVal = 'f' WHERE kvKey = '/m'")
	w.exec("UPDATE kvData SET kvVal = 'g' WHERE kvKey = '/n/c'")
	known := ids(w.inbox().Rows)
	w.exec("UPDATE kvData SET kvVal = 'h' WHERE kvKey = '/n/c'")
	conflict := inbox.Conflict{Row: w.inbox().Rows[0], Kind: "conflict", Reason: "base", Detail: "it was another value",
		Etcd: inbox.Value{There: true, Text: "e"}, Revision: 7}
	now := rowM
	now.Value = "f"
	w.apply(&plan.Plan{Updates: []plan.Update{with(now, "e")}, Rows: smallLen}, known, conflict)
	left := w.inbox()
	assert.Equal(t, []string{`3 "/n/c" below 2: "g" -> "h"`}, in(left.Rows))
	assert.Equal(t, w.state.Applied, left.Applied)
	assert.Equal(t, w.state.Term, left.Term)
	assert.Equal(t, "e", w.answer("SELECT kvVal FROM kvData WHERE kvKey = '/m'"))
	list, total, err := kvdata.ReadConflicts(t.Context(), w.target, 0)
	require.NoError(t, err)
	require.Equal(t, 1, total)
	assert.Equal(t, conflict, list[0].Conflict)
	w.apply(plan.Nothing(plan.NewTable(nil)), append(ids(left.Rows), 1<<40)) // one that is not there
	assert.Empty(t, w.inbox().Rows)
}

// Rule: a step that writes a row which others wrote meanwhile, whatever it is now and however its key is spelled,
// changes nothing; once that is known it goes through.
func TestStepIsOvertaken(t *testing.T) {
	t.Parallel()
	fresh := plan.Row{ID: 50, Parent: 1, Key: "/x", Value: "1"}
	for name, tt := range map[string]struct {
		others string
		plan   plan.Plan
	}{
		"insert": {"INSERT INTO kvData (kvKey, kvVal) VALUES ('/X', ''); DELETE FROM kvData WHERE kvKey = '/X'",
			plan.Plan{Inserts: []plan.Row{fresh}}},
		"update": {"UPDATE kvData SET kvVal = 'f' WHERE kvKey = '/m'; UPDATE kvData SET kvVal = 'v0' WHERE kvKey = '/m'",
			plan.Plan{Updates: []plan.Update{with(rowM, "e")}}},
		"update of a key": {"UPDATE kvData SET kvKey = '/M' WHERE kvId = 4; UPDATE kvData SET kvKey = '/m' WHERE kvId = 4",
			plan.Plan{Updates: []plan.Update{with(rowM, "e")}}},
		"delete": {"UPDATE kvData SET kvVal = 'f' WHERE kvKey = '/n/c'; UPDATE kvData SET kvVal = 'v0' WHERE kvKey = '/n/c'",
			plan.Plan{Deletes: []plan.Row{rowC}}},
		"clear": {"UPDATE kvData SET kvVal = 'f' WHERE kvKey = '/n/c'; UPDATE kvData SET kvVal = 'v0' WHERE kvKey = '/n/c'",
			plan.Plan{Clear: []plan.Row{rowC, rowN}, Inserts: []plan.Row{{ID: 50, Parent: 1, Key: "/n", Value: "READY"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCapturing(t, small)
			w.exec("UPDATE kvData SET kvVal = 'READY!' WHERE kvId = 8") // of another key, and not known either
			seen := ids(w.inbox().Rows)
			w.exec(tt.others)
			before := w.everything()
			err := w.mirror.Apply(t.Context(), w.step(&tt.plan, seen, inbox.Conflict{Kind: "request"}))
			require.ErrorIs(t, err, kvdata.ErrOvertaken)
			assert.NotErrorIs(t, err, kvdata.ErrDrift)
			assert.Equal(t, before, w.everything())
			require.ErrorIs(t, w.mirror.Apply(t.Context(), w.step(&tt.plan, ids(w.inbox().Rows)[:2])), kvdata.ErrOvertaken)
			w.apply(&tt.plan, ids(w.inbox().Rows)[1:])
			assert.Len(t, w.inbox().Rows, 1)
		})
	}
}

// Rule: what a step meets that it did not expect is told apart, and changes nothing.
func TestStepErrors(t *testing.T) {
	t.Parallel()
	fresh := plan.Plan{Inserts: []plan.Row{{ID: 50, Parent: 1, Key: "/x", Value: "1"}}}
	goes := plan.Plan{Deletes: []plan.Row{rowC}}
	busy := func(id int) string { return fmt.Sprintf("UPDATE kvData SET kvVal = 'f' WHERE kvId = %d", id) }
	for name, tt := range map[string]struct {
		others string // in a transaction that stays open, or before
		open   bool
		plan   plan.Plan
		want   error
	}{
		"another value":    {busy(4), false, plan.Plan{Updates: []plan.Update{with(rowM, "e")}}, kvdata.ErrDrift},
		"a row is gone":    {"DELETE FROM kvData WHERE kvId = 3", false, goes, kvdata.ErrDrift},
		"the key is taken": {"INSERT INTO kvData VALUES (60,'/X','',1)", false, fresh, kvdata.ErrDrift},
		"the id is taken":  {"INSERT INTO kvData VALUES (50,'/y','',1)", false, fresh, kvdata.ErrIDsTaken},
		"a child came":     {"INSERT INTO kvData VALUES (60,'/n/c/d','',3)", false, goes, kvdata.ErrDrift},
		"the parent went": {"DELETE FROM kvData WHERE kvId = 3", false,
			plan.Plan{Inserts: []plan.Row{{ID: 50, Parent: 3, Key: "/n/c/d"}}}, kvdata.ErrDrift},
		"locked":        {busy(4), true, plan.Plan{Updates: []plan.Update{with(rowM, "e")}}, kvdata.ErrBusy},
		"a child comes": {"INSERT INTO kvData VALUES (60,'/n/c/d','',3)", true, goes, kvdata.ErrBusy},
		"a child comes below what is cleared": {"INSERT INTO kvData VALUES (60,'/n/c/d','',3)", true,
			plan.Plan{Clear: []plan.Row{rowC}}, kvdata.ErrBusy},
		"the key is being taken": {"INSERT INTO kvData VALUES (60,'/X','',1)", true, fresh, kvdata.ErrBusy},
		"the id is being taken":  {"INSERT INTO kvData VALUES (50,'/y','',1)", true, fresh, kvdata.ErrBusy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCapturing(t, small)
			theirs := w.other("BEGIN", tt.others)
			if !tt.open {
				w.must(theirs, "COMMIT")
			}
			before := w.everything()
			err := w.mirror.Apply(t.Context(), w.step(&tt.plan, nil, inbox.Conflict{Kind: "request"}))
			require.ErrorIs(t, err, tt.want)
			for _, other := range []error{kvdata.ErrBusy, kvdata.ErrDrift, kvdata.ErrIDsTaken, kvdata.ErrOvertaken,
				kvdata.ErrFenced} {
				assert.Equal(t, other == tt.want, errors.Is(err, other), "%v: %v", other, err)
			}
			assert.Equal(t, before, w.everything())
			w.must(theirs, "COMMIT")
			assert.NotEmpty(t, w.inbox().Rows)
			w.apply(plan.Nothing(plan.NewTable(nil)), ids(w.inbox().Rows)) // the connection works on
		})
	}
}

// Rule: a step that takes the inbox waits for no row, and leaves those that it had.
func TestStepWaitsForNobody(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	theirs, watch := w.other(), w.other()
	for i := range 5 {
		w.must(theirs, "BEGIN", fmt.Sprintf("UPDATE kvData SET kvVal = 'f%d' WHERE kvKey = '/n/c'", i))
		done := make(chan error, 1)
		go func() {
			done <- w.mirror.Apply(t.Context(), w.step(&plan.Plan{Updates: []plan.Update{with(rowM, "e"), with(rowC, "e")}},
				nil))
		}()
		for ended := false; !ended; {
			select {
			case err := <-done:
				ended = true
				require.ErrorIs(t, err, kvdata.ErrBusy)
			default:
				waiting := w.does(watch, "SELECT trx_query FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")
				require.Empty(t, waiting[0].Rows, "a step waits")
			}
		}
		w.must(theirs, "UPDATE kvData SET kvVal = 'v0' WHERE kvKey = '/m'", "ROLLBACK")
	}
}

// Rule: of two who would wait for each other nobody is ended: the server would end the other one. Once others write no
// more, a step goes through.
func TestStepNeverKillsOthers(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	theirs := w.other()
	stop, refused := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(refused)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			answers, err := upstream.Run(t.Context(), theirs, "BEGIN",
				fmt.Sprintf("UPDATE kvData SET kvVal = 'f%d' WHERE kvKey = '/n/c'", i),
				fmt.Sprintf("UPDATE kvData SET kvVal = 'f%d' WHERE kvKey = '/m'", i), "COMMIT")
			for _, o := range answers {
				if o.Error != 0 || err != nil {
					refused <- fmt.Sprint(o.Text, err)
					return
				}
			}
		}
	}()
	id := int32(100)
	step := func() error { // the other way round: /m, and then /n/c
		in, table, _, err := w.mirror.Everything(t.Context(), 0)
		require.NoError(t, err)
		m, _ := table.Row("/m")
		c, _ := table.Row("/n/c")
		again := m
		id++
		again.ID = id
		p := &plan.Plan{Clear: []plan.Row{m}, Inserts: []plan.Row{again}, Updates: []plan.Update{with(c, "e")},
			Rows: smallLen}
		if err = w.mirror.Apply(t.Context(), w.step(p, ids(in.Rows))); err == nil {
			w.state.Applied++
		}
		return err
	}
	for range 100 {
		if err := step(); err != nil {
			require.True(t, errors.Is(err, kvdata.ErrBusy) || errors.Is(err, kvdata.ErrOvertaken) ||
				errors.Is(err, kvdata.ErrDrift), "%v", err)
		}
		select {
		case said := <-refused:
			require.Fail(t, "others were refused", said)
		default:
		}
	}
	close(stop)
	require.Empty(t, <-refused)
	require.NoError(t, step())
}

// Rule: taking rows out of the inbox keeps nobody from writing, also where a row is not there any more.
func TestEmptyingTheInboxHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	w.exec("UPDATE kvData SET kvVal = 'f' WHERE kvKey = '/m'; UPDATE kvData SET kvVal = 'g' WHERE kvKey = '/m'")
	known := ids(w.inbox().Rows)
	release, err := w.mirror.HoldEmptied(t.Context(), append(known, known[1]+1, known[1]+2, known[1]+99))
	require.NoError(t, err)
	w.must(w.other("SET innodb_lock_wait_timeout = 0"), "UPDATE kvData SET kvVal = 'h' WHERE kvKey = '/n/c'",
		"INSERT INTO kvData (kvKey, kvVal) VALUES ('/x', '')")
	release()
	assert.Len(t, w.inbox().Rows, 4)
}

// Rule: ids of the inbox follow statements, so that a smaller one can appear after a larger one; what is rolled back
// leaves a gap.
func TestInboxShowsWhatHasCommitted(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	first := w.other("BEGIN", "UPDATE kvData SET kvVal = '1' WHERE kvKey = '/m'")
	w.must(w.other(), "BEGIN", "UPDATE kvData SET kvVal = '2' WHERE kvKey = '/n'", "ROLLBACK",
		"UPDATE kvData SET kvVal = '3' WHERE kvKey = '/n'")
	seen := w.inbox().Rows
	assert.Equal(t, []string{`2 "/n" below 1: "READY" -> "3"`}, in(seen))
	w.must(first, "COMMIT")
	now := w.inbox().Rows
	assert.Equal(t, []string{`4 "/m" below 1: "v0" -> "1"`, `2 "/n" below 1: "READY" -> "3"`}, in(now))
	assert.Equal(t, now[0].ID+2, seen[0].ID)
	w.apply(plan.Nothing(plan.NewTable(nil)), ids(seen))
	assert.Equal(t, ids(now)[:1], ids(w.inbox().Rows))
}

// Rule: the inbox and the table are read as of one moment.
func TestEverythingIsOfOneMoment(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	theirs := w.other()
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			_, err := upstream.Run(t.Context(), theirs, fmt.Sprintf("UPDATE kvData SET kvVal = '%d' WHERE kvKey = '/m'", i))
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for last := 0; last < 200; {
		in, table, records, err := w.mirror.Everything(t.Context(), 0)
		require.NoError(t, err)
		require.Empty(t, records)
		if last = len(in.Rows); last > 0 {
			m, _ := table.Row("/m")
			require.Equal(t, in.Rows[last-1].After.Text, m.Value)
		}
	}
	close(stop)
	require.NoError(t, <-done)
}

// Rule: a very large inbox is read, and taken, as a whole.
func TestLargeInbox(t *testing.T) {
	t.Parallel()
	const n = 51_000
	w := newCapturing(t, small)
	w.exec("INSERT INTO kvData (kvKey, kvVal, parentKvId) SELECT CONCAT('/n/c/', seq), 'v', 3 FROM seq_1_to_" +
		strconv.Itoa(n))
	rows := w.inbox().Rows
	require.Len(t, rows, n)
	w.exec("UPDATE kvData SET kvVal = 'f' WHERE kvKey = '/m'")
	w.apply(plan.Nothing(plan.NewTable(nil)), ids(rows))
	assert.Len(t, w.inbox().Rows, 1)
	in, table, _, err := w.mirror.Everything(t.Context(), 0)
	require.NoError(t, err)
	assert.Len(t, in.Rows, 1)
	assert.Equal(t, n+smallLen, table.Len())
}

// Rule: rows that are cleared give way to new ones of the same keys, and who goes on with the old kvId is refused by
// the foreign key.
func TestClearedRowsAreMadeAnew(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	theirs := w.other("BEGIN")
	old := w.does(theirs, "SELECT kvId FROM kvData WHERE kvKey = '/n'")[0].Rows[0][0].String
	tangled := rowC
	w.exec("SET @css_mirror = 1; UPDATE kvData SET parentKvId = 3 WHERE kvId = 3; SET @css_mirror = NULL")
	tangled.Parent = 3
	w.apply(&plan.Plan{Unhook: []int32{3}, Clear: []plan.Row{tangled, rowN}, Inserts: []plan.Row{
		{ID: 50, Parent: 1, Key: "/N", Value: "READY"}, {ID: 51, Parent: 50, Key: "/N/c", Value: "v1"},
	}, Rows: smallLen}, nil)
	assert.Equal(t, "51 /N/c v1 50", w.answer("SELECT CONCAT_WS(' ', kvId, kvKey, kvVal, parentKvId) FROM kvData "+
		"WHERE kvKey = '/n/C'"))
	assert.EqualValues(t, 1452, w.does(theirs, "INSERT INTO kvData (kvKey, kvVal, parentKvId) VALUES ('/n/d', '', "+old+
		")")[0].Error)
	w.must(theirs, "ROLLBACK")
	assert.Empty(t, w.inbox().Rows)
}

// Rule: without the inbox nothing is read and nothing is stepped.
func TestInboxIsMissing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	w := &capturing{server: s, mirror: s.open()}
	_, err := w.mirror.Inbox(t.Context())
	require.ErrorIs(t, err, kvdata.ErrDrift)
	_, _, _, err = w.mirror.Everything(t.Context(), 0)
	require.ErrorIs(t, err, kvdata.ErrDrift)
	require.ErrorIs(t, w.mirror.RefuseDrops(t.Context(), true), kvdata.ErrDrift)
	w = capture(t, s, small)
	w.exec("DROP TABLE css_mirror_inbox")
	require.ErrorIs(t, w.mirror.Apply(t.Context(), w.step(plan.Nothing(plan.NewTable(nil)), []int64{1})), kvdata.ErrDrift)
	w.install()
	w.exec("DELETE FROM css_mirror_state")
	_, err = w.mirror.Inbox(t.Context())
	require.ErrorIs(t, err, kvdata.ErrDrift)
}
