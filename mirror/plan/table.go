package plan

import (
	"fmt"
	"iter"
	"maps"

	"github.com/qserv/css-etcd/internal/csskey"
)

// Row is one row of kvData.
type Row struct {
	ID     int32  // kvId
	Parent int32  // parentKvId, 0 for NULL
	Key    string // kvKey
	Value  string // kvVal
}

// Table is what kvData holds, and what is in quarantine. Rows are found by the folded key, as in the table's unique
// index: no two rows have keys that the collation takes for the same.
type Table struct {
	columns    *Columns
	rows       map[string]*Row                // by folded key
	quarantine map[string]Quarantined         // by key
	losers     map[string]map[string]struct{} // by folded key: the keys in quarantine for a collision
	maxID      int32
	digest     uint64
}

// NewTable returns a table without rows, of the given columns.
func NewTable(c *Columns) *Table {
	return &Table{
		columns: c, rows: map[string]*Row{}, quarantine: map[string]Quarantined{}, losers: map[string]map[string]struct{}{},
	}
}

// Expect makes room for about so many rows in a table that has none.
func (t *Table) Expect(rows int) {
	if len(t.rows) == 0 {
		t.rows = make(map[string]*Row, rows)
	}
}

// find returns the row that the index takes for that of a key; nil if there is none.
func (t *Table) find(key string) *Row {
	var buf [csskey.MaxKey]byte
	return t.rows[string(t.columns.fold(buf[:0], key))]
}

// Add adds a row as it was found in kvData. It returns an error for rows that cannot be there: two that the unique
// index takes for the same, and the id 0, which could not be told from NULL in other rows.
func (t *Table) Add(r Row) error {
	var buf [csskey.MaxKey]byte
	folded := t.columns.fold(buf[:0], r.Key)
	if other := t.rows[string(folded)]; other != nil {
		return fmt.Errorf("kvData has the keys %q (kvId %d) and %q (kvId %d), which its collation should take for the same",
			other.Key, other.ID, r.Key, r.ID)
	}
	if r.ID == 0 {
		return fmt.Errorf("kvData has the key %q with kvId 0, which Qserv never writes; give the row another id", r.Key)
	}
	t.rows[string(folded)] = &r
	t.maxID = max(t.maxID, r.ID)
	t.digest ^= r.Hash()
	return nil
}

// Columns returns what the table can hold.
func (t *Table) Columns() *Columns { return t.columns }

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Rows yields the rows, in no order.
func (t *Table) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, r := range t.rows {
			if !yield(*r) {
				return
			}
		}
	}
}

// Row returns the row of exactly this key.
func (t *Table) Row(key string) (Row, bool) {
	if r := t.find(key); r != nil {
		return *r, r.Key == key
	}
	return Row{}, false
}

// Quarantine yields what is in quarantine, in no order.
func (t *Table) Quarantine() iter.Seq[Quarantined] { return maps.Values(t.quarantine) }

// QuarantineLen returns the number of keys in quarantine.
func (t *Table) QuarantineLen() int { return len(t.quarantine) }

// IsQuarantined reports whether a key is in quarantine.
func (t *Table) IsQuarantined(key string) bool {
	_, ok := t.quarantine[key]
	return ok
}

// KeepQuarantine makes what is in quarantine that of another table.
func (t *Table) KeepQuarantine(of *Table) { t.quarantine, t.losers = of.quarantine, of.losers }

// Apply makes the changes of a plan that was made for this table as it is. It is for the caller to call it only once
// the same changes are known to be in kvData.
func (t *Table) Apply(p *Plan) {
	t.digest = p.Digest
	for _, r := range p.Clear {
		delete(t.rows, t.columns.Fold(r.Key))
	}
	for _, r := range p.Deletes {
		delete(t.rows, t.columns.Fold(r.Key))
	}
	for _, u := range p.Updates {
		*t.find(u.New.Key) = u.New
	}
	t.Expect(len(p.Inserts))
	for i, r := range p.Inserts {
		t.rows[p.folded[i]] = &r
		t.maxID = max(t.maxID, r.ID)
	}
	for _, key := range p.Releases {
		t.release(key)
	}
	for _, q := range p.Records {
		t.release(q.Key)
		t.quarantine[q.Key] = q
		if q.Reason == KeyCollision {
			folded := t.columns.Fold(q.Key)
			if t.losers[folded] == nil {
				t.losers[folded] = map[string]struct{}{}
			}
			t.losers[folded][q.Key] = struct{}{}
		}
	}
}

// release takes a key out of quarantine.
func (t *Table) release(key string) {
	if t.quarantine[key].Reason == KeyCollision {
		folded := t.columns.Fold(key)
		delete(t.losers[folded], key)
		if len(t.losers[folded]) == 0 {
			delete(t.losers, folded)
		}
	}
	delete(t.quarantine, key)
}
