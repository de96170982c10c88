package kvdata

import (
	"fmt"
	"slices"

	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/plan"
)

// holding returns a captured row as it is with a value: that before it was written, or that after it.
func holding(r inbox.Row, v inbox.Value) plan.Row {
	return plan.Row{ID: r.KvID, Parent: r.Parent, Key: r.Key, Value: v.Text}
}

// Lay lays captured rows over a table. It fails with [ErrDrift] where they cannot be in one table.
func Lay(t *plan.Table, rows []inbox.Row) error {
	for _, r := range rows {
		if err := t.Lay(holding(r, r.After), !r.After.There); err != nil {
			return fmt.Errorf("%w: %w", ErrDrift, err)
		}
	}
	return nil
}

// Undo makes a table what it was before captured rows were written. It fails as Lay does.
func Undo(t *plan.Table, rows []inbox.Row) error {
	for _, r := range slices.Backward(rows) {
		if err := t.Lay(holding(r, r.Before), !r.Before.There); err != nil {
			return fmt.Errorf("%w: %w", ErrDrift, err)
		}
	}
	return nil
}
