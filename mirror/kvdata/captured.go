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

// Undone is what a table held where captured rows were undone.
type Undone struct {
	// Changed is what others changed since past the triggers: Want is what was captured, Have what was found.
	Changed []plan.Difference

	found map[string]plan.Row // by key, the zero Row for none
}

// Undo makes a table what it was before captured rows were written. It fails as Lay does, and then the table is of no
// more use.
func Undo(t *plan.Table, rows []inbox.Row) (Undone, error) {
	u := Undone{found: map[string]plan.Row{}}
	found, left := plan.NewTable(t.Columns()), plan.NewTable(t.Columns())
	for _, r := range rows {
		is, _ := t.Row(r.Key)
		if u.found[r.Key] = is; is.ID == 0 {
			continue
		}
		if err := found.Lay(is, false); err != nil {
			return Undone{}, err
		}
	}
	if err := Lay(left, rows); err != nil {
		return Undone{}, err
	}
	u.Changed = plan.Foreign(found, left)
	for _, r := range slices.Backward(rows) {
		if err := t.Lay(holding(r, r.Before), !r.Before.There); err != nil {
			return Undone{}, fmt.Errorf("%w: %w", ErrDrift, err)
		}
	}
	return u, nil
}

// Redo makes the table what it was before Undo.
func (u Undone) Redo(t *plan.Table) error {
	for key, was := range u.found {
		gone := was.ID == 0
		if gone {
			was, _ = t.Row(key) // what has its place
		}
		if was.ID == 0 {
			continue
		}
		if err := t.Lay(was, gone); err != nil {
			return err
		}
	}
	return nil
}
