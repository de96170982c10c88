package plan

// Lay notes what others are known to have written: a row in its new form, or, with gone, that the row is gone. Other
// than Add it takes the place of what the table has there. It fails as Add does.
func (t *Table) Lay(r Row, gone bool) error {
	folded := t.columns.Fold(r.Key)
	old, ok := t.rows[folded]
	if ok && (!gone || old.Key == r.Key) {
		t.digest ^= old.Hash()
		delete(t.rows, folded)
	}
	if gone {
		return nil
	}
	return t.Add(r)
}
