package mirror_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

func (w *world) compact(rev cssetcd.Revision) {
	w.t.Helper()
	_, err := w.etcd.Compact(w.t.Context(), int64(rev))
	require.NoError(w.t, err)
}

// foreign returns what css_mirror_foreign records, as sentences, the oldest first.
func (w *world) foreign() (out []string) {
	w.t.Helper()
	list, total, err := kvdata.ReadForeign(w.t.Context(), w.target, 0)
	require.NoError(w.t, err)
	require.Len(w.t, list, total)
	for _, f := range list {
		text := fmt.Sprintf("%s %s: %q, not %q", f.Kind, f.Key, f.Have, f.Want)
		if f.Undone {
			text += ", undone"
		}
		out = append([]string{text}, out...)
		assert.WithinDuration(w.t, time.Now(), f.Seen, time.Hour)
	}
	return out
}

// many puts a database and more keys than the brake lets pass.
func (w *world) many() {
	w.put("/DBS/a", "READY")
	for i := 0; i < 1100; i += 100 {
		var ops []clientv3.Op
		for j := range 100 {
			ops = append(ops, w.opPut(fmt.Sprintf("/many/%d", i+j), ""))
		}
		w.txn(ops...)
	}
}

func (w *world) deleteAll(key string) cssetcd.Revision {
	return w.txn(clientv3.OpDelete(w.prefix+"/css"+key, clientv3.WithPrefix()))
}

// Rule: what etcd's history deleted while nobody mirrored needs no brake, were it nearly all, whether etcd still has
// that history or only the digest says that kvData is as the mirror left it.
func TestHistoryNeedsNoBrake(t *testing.T) {
	for name, compacted := range map[string]bool{"etcd has it": false, "compacted": true} {
		t.Run(name, func(t *testing.T) {
			w := compactable(t)
			w.many()
			w.once()
			w.deleteAll("/many/")
			rev := w.deleteAll("/DBS/")
			if compacted {
				w.compact(rev)
			}
			assert.Equal(t, 1102, w.once().Deleted)
			assert.Empty(t, w.foreign())
			w.agree()
		})
	}
}

// Rule: where neither history nor the digest explains what would go, the brake is on.
func TestBrakeOnWhatNothingExplains(t *testing.T) {
	for name, hide := range map[string]func(*world){
		"changed by others, and compacted": func(w *world) {
			w.exec("UPDATE kvData SET kvVal = 'x' WHERE kvKey = '/DBS/a'")
			w.compact(w.put("/other", ""))
		},
		"an earlier version kept no digest, and compacted": func(w *world) {
			w.exec("UPDATE css_mirror_state SET format = 1, digest = NULL")
			w.compact(w.put("/other", ""))
		},
		"etcd went back": func(w *world) { w.exec("UPDATE css_mirror_state SET applied = applied + 1000000") },
	} {
		t.Run(name, func(t *testing.T) {
			w := compactable(t)
			w.many()
			w.once()
			w.deleteAll("/many/")
			hide(w)
			assert.Equal(t, plan.MassDelete, rule(t, w.refused(mirror.ErrBrake)))
			_, err := w.single().DryRun(t.Context())
			assert.Equal(t, plan.MassDelete, rule(t, err))
			assert.Equal(t, 1101, w.once(allow).Deleted)
			w.agree()
		})
	}
}

// Rule: what others wrote is recorded with both values by the transaction that undoes it; what history changed is not.
func TestForeignWritesAreRecordedWhenUndone(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1", "/DBS/b", "2", "/DBS/c", "3")
	w.once()
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
	w.exec("DELETE FROM kvData WHERE kvKey = '/DBS/b'")
	w.exec("INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/new', 'theirs')")
	w.put("/DBS/c", "4", "/DBS/d", "5")
	w.once()
	w.agree()
	assert.Equal(t, []string{
		`missing /DBS/b: "", not "2", undone`, `value /DBS/a: "theirs", not "1", undone`,
		`extra /DBS/new: "theirs", not "", undone`,
	}, w.foreign())
	w.put("/DBS/a", "6")
	w.once()
	assert.Len(t, w.foreign(), 3, "nothing of others since")
}

func quickly(policy mirror.Policy) func(*mirror.Config) {
	return func(c *mirror.Config) { c.Policy, c.CompareEvery = policy, 50*time.Millisecond }
}

func has(code mirror.Code) func(mirror.Status) bool {
	return func(s mirror.Status) bool {
		for _, t := range s.Troubles {
			if t.Code == code {
				return true
			}
		}
		return false
	}
}

// meddling is what others do to kvData, and how it is told.
var meddling = []struct{ name, sql, told string }{
	{"value", "UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'", `value /DBS/a: "theirs", not "1"`},
	{"deleted", "DELETE FROM kvData WHERE kvKey = '/DBS/b'", `missing /DBS/b: "", not "2"`},
	{"inserted", "INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/new', 'theirs')", `extra /DBS/new: "theirs", not ""`},
	{"spelling", "UPDATE kvData SET kvKey = '/DBS/A' WHERE kvKey = '/DBS/a'",
		`key_spelling /DBS/a: "/DBS/A", not "/DBS/a"`},
	{"parent", "UPDATE kvData SET parentKvId = NULL WHERE kvKey = '/DBS/a'", `parent /DBS/a: "NULL", not "2"`},
}

// Rule: while etcd is quiet, others' writes are found, told and recorded, and left as they are until the mirror has to
// write such a row.
func TestForeignWritesAreToldWhileQuiet(t *testing.T) {
	for _, tt := range meddling {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/DBS/a", "1", "/DBS/b", "2")
			m := w.mirror(quickly(mirror.Alert))
			w.run(m)
			s := awaitStatus(t, m, following)
			assert.Empty(t, s.Troubles)
			w.exec(tt.sql)
			meddled := w.rows()
			awaitStatus(t, m, has(mirror.ForeignWrites))
			require.Eventually(t, func() bool { return len(w.foreign()) > 0 }, patience, 5*time.Millisecond)
			assert.Equal(t, []string{tt.told}, w.foreign())
			w.exec("INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/more', 'theirs')")
			require.Eventually(t, func() bool { return len(w.foreign()) > 1 }, patience, 5*time.Millisecond)
			assert.Equal(t, []string{tt.told, `extra /DBS/more: "theirs", not ""`}, w.foreign(), "each once")
			w.exec("DELETE FROM kvData WHERE kvKey = '/DBS/more'")
			w.await(w.put("/DBS/other", "4"))
			for key, r := range meddled {
				assert.Equal(t, r, w.rows()[key], "nothing is undone")
			}
			assert.Equal(t, s.Term, m.Status().Term, "the same session goes on")
			w.await(w.put("/DBS/a", "3", "/DBS/b", "4", "/DBS/new", "5"))
			awaitStatus(t, m, func(s mirror.Status) bool { return following(s) && !has(mirror.ForeignWrites)(s) })
			w.agree()
			assert.Equal(t, []string{tt.told, `extra /DBS/more: "theirs", not ""`, tt.told + ", undone"}, w.foreign())
		})
	}
}

// Rule: with the policy repair, others' writes are undone as soon as they are found, and recorded by the same
// transaction.
func TestForeignWritesAreRepaired(t *testing.T) {
	for _, tt := range meddling {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/DBS/a", "1", "/DBS/b", "2")
			m := w.mirror(quickly(mirror.Repair))
			w.run(m)
			s := awaitStatus(t, m, following)
			w.exec(tt.sql)
			require.Eventually(t, func() bool { return len(w.foreign()) > 0 }, patience, 5*time.Millisecond)
			w.agree()
			assert.Equal(t, []string{tt.told + ", undone"}, w.foreign())
			assert.Equal(t, s.Term, m.Status().Term)
			assert.Empty(t, awaitStatus(t, m, following).Troubles)
		})
	}
}

// Rule: without foreign writes nobody is ever told of any, whatever the mirror writes meanwhile.
func TestOwnWritesAreNotForeign(t *testing.T) {
	w := newWorld(t)
	m := w.mirror(func(c *mirror.Config) { c.CompareEvery = time.Millisecond })
	w.run(m)
	for i := range 300 {
		w.put(fmt.Sprintf("/DBS/d%d", i%17), fmt.Sprint(i), fmt.Sprintf("/DBS/d%d/x", i%5), "y")
		if i%3 == 0 {
			w.deleteAll(fmt.Sprintf("/DBS/d%d", i%7))
		}
	}
	w.await(w.put("/DBS/a", "end"))
	s := awaitStatus(t, m, following)
	assert.Empty(t, s.Troubles)
	assert.EqualValues(t, 1, s.Term)
	assert.Empty(t, w.foreign())
	w.agree()
}

// Rule: a row that others changed just now is not overwritten unnoticed by a change of the same key.
func TestForeignWriteMeetsAChange(t *testing.T) {
	for name, change := range map[string]func(*world) []clientv3.Op{
		"one value":    func(w *world) []clientv3.Op { return []clientv3.Op{w.opPut("/DBS/a", "2")} },
		"many values":  func(w *world) []clientv3.Op { return []clientv3.Op{w.opPut("/DBS/a", "2"), w.opPut("/DBS/b", "2")} },
		"a row goes":   func(w *world) []clientv3.Op { return []clientv3.Op{w.opDelete("/DBS/a")} },
		"many rows go": func(w *world) []clientv3.Op { return []clientv3.Op{w.opDelete("/DBS/a"), w.opDelete("/DBS/b")} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.run(w.mirror())
			w.await(w.put("/DBS/a", "1", "/DBS/b", "1", "/DBS/c", "1"))
			w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
			w.await(w.txn(change(w)...))
			w.agree()
			assert.Equal(t, []string{`value /DBS/a: "theirs", not "1", undone`}, w.foreign())
		})
	}
}

// Rule: ids that others took for their rows are no trouble for new rows.
func TestOthersTakeTheNextIDs(t *testing.T) {
	w := newWorld(t)
	m := w.mirror(quickly(mirror.Alert))
	w.run(m)
	w.await(w.put("/DBS/a", "1"))
	tx, err := w.sql.Begin() // its rows cannot be seen yet
	require.NoError(t, err)
	for i := range 30 {
		w.exec("INSERT INTO kvData (kvKey, kvVal) VALUES (?, 'x')", fmt.Sprintf("/others/%d", i))
		_, err := tx.Exec("INSERT INTO kvData (kvKey, kvVal) VALUES (?, 'x')", fmt.Sprintf("/hidden/%d", i))
		require.NoError(t, err)
	}
	rev := w.put("/DBS/b", "2", "/DBS/b/c", "3")
	require.NoError(t, tx.Commit())
	w.await(rev)
	assert.EqualValues(t, 1, awaitStatus(t, m, following).Term, "nothing was read anew")
	assert.Equal(t, []string{"/DBS/a", "/DBS/b", "/DBS/b/c"}, w.keys("/DBS/"))
	require.Eventually(t, func() bool { return len(w.foreign()) == 60 }, patience, 5*time.Millisecond)
	w.once()
	w.agree()
}

// Rule: while the brake is on nothing is read anew as long as nothing changes, and the mirror goes on when it does.
func TestBrakeReadsNothingAnew(t *testing.T) {
	w := newWorld(t)
	w.many()
	w.once()
	w.forget()
	w.deleteAll("/many/")
	m := w.mirror(quickly(mirror.Alert))
	w.run(m)
	s := awaitStatus(t, m, has(mirror.BrakeOn))
	assert.Equal(t, mirror.Refused, s.Phase)
	state := func() kvdata.State {
		s, err := kvdata.ReadState(t.Context(), w.target)
		require.NoError(t, err)
		return s
	}
	term := state().Term
	w.put("/other", "x")
	time.Sleep(300 * time.Millisecond)
	assert.Equal(t, term, state().Term, "it holds the table and what it read of it")
	w.exec("DELETE FROM kvData WHERE kvKey LIKE '/many/%'")
	awaitStatus(t, m, following)
	w.agree()
}
