package kvdata

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/plan"
)

// rows executes a plan in its order.
func (w writer) rows(p *plan.Plan) error {
	for ids := range batches(p.Unhook, w.maxBytes, func(int32) int { return 0 }) {
		query := "UPDATE (SELECT ? AS id" + strings.Repeat(" UNION ALL SELECT ?", len(ids)-1) +
			") AS loose STRAIGHT_JOIN kvData ON kvId = id SET parentKvId = NULL"
		if err := w.exec(len(ids), query, anys(ids)...); err != nil {
			return err
		}
	}
	for rows := range batches(p.Cleared(), w.maxBytes, func(plan.Row) int { return 0 }) {
		if err := w.delete(rows); err != nil {
			return err
		}
	}
	for rows := range batches(p.Inserts, w.maxBytes, sizeOf) {
		if err := w.insert(rows); err != nil {
			return err
		}
	}
	values, others := valuesOnly(p.Updates)
	for _, part := range []struct {
		updates []plan.Update
		write   func([]plan.Update) error
	}{{others, w.update}, {values, w.updateValues}} {
		for updates := range batches(part.updates, w.maxBytes, func(u plan.Update) int { return sizeOf(u.New) }) {
			if err := part.write(updates); err != nil {
				return err
			}
		}
	}
	for rows := range batches(p.Doomed(), w.maxBytes, func(plan.Row) int { return 0 }) {
		if err := w.delete(rows); err != nil {
			return err
		}
	}
	return nil
}

// insert writes new rows. Never ON DUPLICATE KEY UPDATE, REPLACE or IGNORE: where the collation takes the key of
// another row for this one, they would overwrite that row.
func (w writer) insert(rows []plan.Row) error {
	args := make([]any, 0, 4*len(rows))
	for _, r := range rows {
		args = append(args, r.ID, w.key(r), r.Value, parentArg(r))
	}
	err := w.exec(len(rows), "INSERT INTO kvData (kvId, kvKey, kvVal, parentKvId) VALUES "+placeholders("(?,?,?,?)",
		len(rows)), args...)
	if mysqlconn.Is(err, mysqlconn.ErDuplicate) && strings.Contains(err.Error(), "PRIMARY'") {
		return fmt.Errorf("%w: %w", ErrIDsTaken, err)
	}
	return err
}

// update changes rows that are as they are expected to be, by their hash.
func (w writer) update(updates []plan.Update) error {
	if len(updates) == 1 {
		u := updates[0]
		return w.exec(1, "UPDATE kvData SET kvKey = ?, kvVal = ?, parentKvId = ? WHERE kvId = ? AND "+plan.RowHash+" = ?",
			w.key(u.New), u.New.Value, parentArg(u.New), u.Old.ID, u.Old.Hash())
	}
	args := make([]any, 0, 5*len(updates))
	for _, u := range updates {
		args = append(args, u.Old.ID, u.Old.Hash(), w.key(u.New), u.New.Value, u.New.Parent)
	}
	const one = "SELECT ? AS id, ? AS was, ? AS new_key, ? AS new_value, ? AS new_parent"
	more := strings.Repeat(" UNION ALL SELECT ?,?,?,?,?", len(updates)-1)
	return w.exec(len(updates), "UPDATE kvData JOIN ("+one+more+") AS wanted ON kvId = id AND "+plan.RowHash+" = was "+
		"SET kvKey = new_key, kvVal = new_value, parentKvId = NULLIF(new_parent, 0)", args...)
}

// valuesOnly takes apart the updates that change nothing but the value, which are most and cost less.
func valuesOnly(all []plan.Update) (values, others []plan.Update) {
	for _, u := range all {
		if u.New.Key == u.Old.Key && u.New.Parent == u.Old.Parent {
			values = append(values, u)
		} else {
			others = append(others, u)
		}
	}
	return values, others
}

// updateValues is update for rows of which nothing but the value changes.
func (w writer) updateValues(updates []plan.Update) error {
	if len(updates) == 1 {
		u := updates[0]
		return w.exec(1, "UPDATE kvData SET kvVal = ? WHERE kvId = ? AND "+plan.RowHash+" = ?", u.New.Value, u.Old.ID,
			u.Old.Hash())
	}
	args := make([]any, 0, 3*len(updates))
	for _, u := range updates {
		args = append(args, u.Old.ID, u.Old.Hash(), u.New.Value)
	}
	more := strings.Repeat(" UNION ALL SELECT ?,?,?", len(updates)-1)
	return w.exec(len(updates), "UPDATE kvData JOIN (SELECT ? AS id, ? AS was, ? AS new_value"+more+
		") AS wanted ON kvId = id AND "+plan.RowHash+" = was SET kvVal = new_value", args...)
}

// delete removes rows that are as they are expected to be, by their hash. The server checks the foreign key row by row:
// those that lie deeper go first, and those of one depth in any order.
func (w writer) delete(rows []plan.Row) error {
	depth := func(r plan.Row) int { return strings.Count(r.Key, "/") }
	rows = slices.SortedStableFunc(slices.Values(rows), func(a, b plan.Row) int { return depth(b) - depth(a) })
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && depth(rows[n]) == depth(rows[0]) {
			n++
		}
		if err := w.deleteAny(rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// deleteAny removes rows none of which lies below another one. Without the hint the server would go through all of a
// small table for a list of many ids, and meet what others have locked.
func (w writer) deleteAny(rows []plan.Row) error {
	args := make([]any, 0, 2*len(rows))
	for _, r := range rows {
		args = append(args, r.ID)
	}
	for _, r := range rows {
		args = append(args, r.Hash())
	}
	marks := placeholders("?", len(rows))
	return w.exec(len(rows), "DELETE kvData FROM kvData FORCE INDEX (PRIMARY) WHERE kvId IN ("+marks+") AND "+plan.RowHash+
		" IN ("+marks+")", args...)
}

// exec executes a statement that must find a number of rows.
func (w writer) exec(want int, query string, args ...any) error {
	result, err := w.tx.ExecContext(w.ctx, w.before+query, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n != int64(want) {
		return fmt.Errorf("%w: %d of %d rows were found by %.60s", ErrDrift, n, want, query)
	}
	return nil
}

// key is a row's key as an argument: a text has to be well formed.
func (w writer) key(r plan.Row) any {
	if w.bytes {
		return []byte(r.Key)
	}
	return r.Key
}

func parentArg(r plan.Row) any {
	if r.Parent == 0 {
		return nil
	}
	return r.Parent
}

func sizeOf(r plan.Row) int { return len(r.Key) + len(r.Value) }
