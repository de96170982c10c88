package mirror

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

// step is one transaction: what it is fenced by, what it changes, and the state that it leaves.
type step struct {
	term       int64
	from, to   cssetcd.Revision
	plan       *plan.Plan
	quarantine quarantineChange
	held       int    // keys in quarantine afterwards
	adopt      *claim // what the table is about from now on; nil: what it was about
}

// maxRowsPerStatement bounds a statement beside its size in bytes.
const maxRowsPerStatement = 1000

// apply executes a step in one transaction. It returns ErrFenced when another mirror took over or the last commit came
// to another end than was believed, errDrift when kvData is not what the plan was made for, and errBusy when the
// transaction was rolled back for another one. Except for those, the outcome of a failed commit is unknown.
func (c *connection) apply(ctx context.Context, s step, maxBytes int) error {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	defer tx.Rollback() // nothing after a commit
	w := writer{ctx, tx, maxBytes}
	if err := w.fence(s); err != nil {
		return err
	}
	if err := w.rows(s.plan); err != nil {
		return fmt.Errorf("write kvData: %w", err)
	}
	if err := w.quarantine(s.quarantine); err != nil {
		return fmt.Errorf("write css_mirror_quarantine: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit revision %d: %w", s.to, err)
	}
	return nil
}

// writer writes within one transaction.
type writer struct {
	ctx      context.Context // of the transaction
	tx       *sql.Tx
	maxBytes int // of the keys and values of one statement
}

// fence moves the revision on. It comes first: it locks the state row, so that a take-over waits for this transaction,
// and nothing is written by a mirror that may not write.
func (w writer) fence(s step) error {
	result, err := w.tx.ExecContext(w.ctx, `UPDATE css_mirror_state SET applied = ?, row_count = ?, quarantined = ?,
		updated = UTC_TIMESTAMP(6) WHERE id = 1 AND term = ? AND applied = ?`,
		s.to, s.plan.Rows, s.held, s.term, s.from)
	if err != nil {
		return fmt.Errorf("move the revision on: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%w: css_mirror_state is no longer at term %d and revision %d", ErrFenced, s.term, s.from)
	}
	return w.adopt(s.adopt)
}

// adopt makes the table one of another catalogue. It is part of the transaction that makes its rows those of that
// catalogue.
func (w writer) adopt(by *claim) error {
	if by == nil {
		return nil
	}
	_, err := w.tx.ExecContext(w.ctx,
		"UPDATE css_mirror_state SET mirror_name = ?, cluster_id = ?, history = ?, prefix = ? WHERE id = 1",
		by.name, by.identity.Cluster, by.identity.History, by.identity.Prefix)
	if err != nil {
		return fmt.Errorf("adopt the table: %w", err)
	}
	return nil
}

// rows executes a plan in its order.
func (w writer) rows(p *plan.Plan) error {
	for ids := range batches(p.Unhook, w.maxBytes, func(int32) int { return 0 }) {
		query := "UPDATE kvData SET parentKvId = NULL WHERE kvId IN (" + placeholders("?", len(ids)) + ")"
		if err := w.exec(len(ids), query, anys(ids)...); err != nil {
			return err
		}
	}
	for rows := range batches(p.Inserts, w.maxBytes, sizeOf) {
		if err := w.insert(rows); err != nil {
			return err
		}
	}
	for _, u := range p.Updates {
		if err := w.update(u); err != nil {
			return err
		}
	}
	for rows := range batches(p.Deletes, w.maxBytes, func(plan.Row) int { return 0 }) {
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
		args = append(args, r.ID, r.Key, r.Value, parentArg(r))
	}
	return w.exec(len(rows), "INSERT INTO kvData (kvId, kvKey, kvVal, parentKvId) VALUES "+placeholders("(?,?,?,?)",
		len(rows)), args...)
}

func (w writer) update(u plan.Update) error {
	return w.exec(1, "UPDATE kvData SET kvKey = ?, kvVal = ?, parentKvId = ? WHERE kvId = ? AND BINARY kvKey = ?",
		u.New.Key, u.New.Value, parentArg(u.New), u.Old.ID, u.Old.Key)
}

// delete removes rows. The server checks the foreign key row by row, so it must meet children first within a statement,
// too.
func (w writer) delete(rows []plan.Row) error {
	args := make([]any, 0, len(rows))
	for _, r := range rows {
		args = append(args, r.ID)
	}
	return w.exec(len(rows), "DELETE FROM kvData WHERE kvId IN ("+placeholders("?",
		len(rows))+") ORDER BY LENGTH(kvKey) DESC", args...)
}

// exec executes a statement that must find a number of rows.
func (w writer) exec(want int, query string, args ...any) error {
	result, err := w.tx.ExecContext(w.ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n != int64(want) {
		return fmt.Errorf("%w: %d of %d rows were found by %.60s", errDrift, n, want, query)
	}
	return nil
}

func parentArg(r plan.Row) any {
	if r.Parent == 0 {
		return nil
	}
	return r.Parent
}

func sizeOf(r plan.Row) int { return len(r.Key) + len(r.Value) }

func placeholders(one string, n int) string {
	return strings.TrimSuffix(strings.Repeat(one+",", n), ",")
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}
