package kvdata_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror/plan"
)

// Rule: a step meets no row that it does not write, however many it writes and however small the tables are: neither of
// kvData nor of the inbox. Else it would never come to its end while others write other rows, or wait with rows locked.
func TestStepMeetsItsOwnRowsOnly(t *testing.T) {
	t.Parallel()
	const rows = 100
	for name, change := range map[string]func(*plan.Plan, plan.Row){
		"delete": func(p *plan.Plan, r plan.Row) { p.Deletes = append(p.Deletes, r) },
		"clear":  func(p *plan.Plan, r plan.Row) { p.Clear = append(p.Clear, r) },
		"unhook": func(p *plan.Plan, r plan.Row) { p.Unhook, p.Deletes = append(p.Unhook, r.ID), append(p.Deletes, r) },
		"update": func(p *plan.Plan, r plan.Row) { p.Updates = append(p.Updates, with(r, "e")) },
		"update of a key": func(p *plan.Plan, r plan.Row) {
			now := with(r, "e")
			now.New.Key += "x"
			p.Updates = append(p.Updates, now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCapturing(t, small)
			var p plan.Plan
			for i := range rows {
				r := plan.Row{ID: int32(100 + i), Parent: 2, Key: fmt.Sprintf("/n/%d", i), Value: "v"}
				w.exec("INSERT INTO kvData VALUES (?,?,?,?)", r.ID, r.Key, r.Value, r.Parent)
				change(&p, r)
			}
			known := ids(w.inbox().Rows)
			theirs := w.other("BEGIN", "UPDATE kvData SET kvVal = 'f' WHERE kvKey = '/m'")
			w.apply(&p, known)
			w.must(theirs, "COMMIT")
			left := w.inbox().Rows
			require.Len(t, left, 1)
			assert.Equal(t, "/m", left[0].Key)
		})
	}
}
