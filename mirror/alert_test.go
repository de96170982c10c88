package mirror_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror"
)

// Rule: a row that others renamed or deleted is made anew when its key changes, and the rows below it point to it then.
func TestChildrenOfARowThatOthersMoved(t *testing.T) {
	for name, sql := range map[string]string{
		"renamed": "UPDATE kvData SET kvKey = '/DBS/other' WHERE kvKey = '/DBS/a'",
		"deleted": "SET foreign_key_checks = 0; DELETE FROM kvData WHERE kvKey = '/DBS/a'; SET foreign_key_checks = 1",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/DBS/a", "1", "/DBS/a/x", "2")
			m := w.mirror(quickly(mirror.Alert))
			w.run(m)
			awaitStatus(t, m, following)
			w.exec(sql)
			awaitStatus(t, m, has(mirror.ForeignWrites))
			w.await(w.put("/DBS/other", "3"))
			w.await(w.put("/DBS/a", "4"))
			require.Eventually(t, func() bool { return !has(mirror.ForeignWrites)(m.Status()) }, patience, time.Millisecond)
			time.Sleep(200 * time.Millisecond) // some comparisons
			report, err := mirror.Check(t.Context(), w.target, w.client)
			require.NoError(t, err)
			assert.Empty(t, report.Differences, "and status says that all is well")
		})
	}
}

// Rule: a younger key that lost its row to an older one does not get it when others delete that one.
func TestYoungerKeyDoesNotTakeTheRow(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "older")
	m := w.mirror(quickly(mirror.Alert))
	w.run(m)
	awaitStatus(t, m, following)
	w.await(w.put("/DBS/A", "younger"))
	w.exec("DELETE FROM kvData WHERE kvKey = '/DBS/a'")
	awaitStatus(t, m, has(mirror.ForeignWrites))
	w.await(w.put("/DBS/A", "younger still"))
	assert.NotContains(t, w.rows(), "/DBS/A")
	assert.Equal(t, "key_collision", w.quarantine()["/DBS/A"])
}

// Rule: what others wrote and undid themselves, or an operator with the statements of check --print-sql, is told once,
// and the trouble is over.
func TestUndoneByOthersIsOver(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	m := w.mirror(quickly(mirror.Alert))
	w.run(m)
	awaitStatus(t, m, following)
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
	require.Eventually(t, func() bool { return len(w.foreign()) > 0 }, patience, 5*time.Millisecond)
	report, err := mirror.Check(t.Context(), w.target, w.client)
	require.NoError(t, err)
	for _, statement := range report.SQL() {
		w.exec(statement)
	}
	w.agree()
	assert.Eventually(t, func() bool { return !has(mirror.ForeignWrites)(m.Status()) }, 2*time.Second, 5*time.Millisecond,
		"%v", m.Status().Troubles)
	assert.Equal(t, []string{`value /DBS/a: "theirs", not "1"`}, w.foreign())
}

// Rule: the trouble is over when the mirror had to write such a row, were it another spelling of the key.
func TestForeignWritesEndWhenTheRowIsWritten(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	m := w.mirror(quickly(mirror.Alert))
	w.run(m)
	awaitStatus(t, m, following)
	w.exec("INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/NEW', 'theirs')")
	awaitStatus(t, m, has(mirror.ForeignWrites))
	w.await(w.put("/DBS/new", "2"))
	awaitStatus(t, m, func(s mirror.Status) bool { return following(s) && !has(mirror.ForeignWrites)(s) })
	w.agree()
}

// Rule: the brake is off for rows that others wrote and that are on record, whether a mirror ran or not.
func TestNoBrakeOnWhatIsOnRecord(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	m := w.mirror(quickly(mirror.Alert))
	stop := w.run(m)
	awaitStatus(t, m, following)
	w.exec("INSERT INTO kvData (kvKey, kvVal) SELECT CONCAT('/theirs/', seq), 'x' FROM seq_1_to_1100")
	require.Eventually(t, func() bool { return len(w.foreign()) == 1100 }, patience, 50*time.Millisecond)
	stop()
	_, err := w.single().Once(t.Context())
	assert.NoError(t, err)
}

// Rule: the brake is off for what etcd's history deleted, though others changed or added a row of a database meanwhile.
func TestNoBrakeOnHistoryBesideForeignWrites(t *testing.T) {
	for name, sql := range map[string]string{
		"inserted": "INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/theirs', 'x')",
		"changed":  "UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'",
	} {
		for _, accepted := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", accepted: ", accepted), func(t *testing.T) {
				w := newWorld(t)
				w.put("/DBS/a", "1", "/DBS/b", "1")
				w.once()
				if accepted {
					stop := w.run(w.mirror(quickly(mirror.Alert)))
					w.await(w.put("/other", ""))
					w.exec(sql)
					require.Eventually(t, func() bool { return len(w.foreign()) == 1 }, patience, 50*time.Millisecond)
					stop()
				} else {
					w.exec(sql)
				}
				w.del("/DBS/a", "/DBS/b")
				_, err := w.single().Once(t.Context())
				assert.NoError(t, err)
			})
		}
	}
}
