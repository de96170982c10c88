package plan

import "strings"

// Most of a table is right already, and needs no slot, no rivals and no verdict. Where keys compete for a place, one of
// them has no row, so that what is found right here is right.

// shows reports whether a key of the image has the row that it is to have, and notes that row as right, with those
// above it that are there for its sake. Keys have to come in byte order: what is above a key and a key itself has come
// before.
func (w *work) shows(key, value string, right *ids) bool {
	folded := w.t.columns.Fold(key)
	r, ok := w.t.rows[folded]
	if !ok || r.Key != key || r.Value != value || !w.t.columns.fits(key, value) || !w.hangsRight(r, folded) {
		return false
	}
	right.add(r.ID)
	for {
		folded = w.t.columns.foldedParent(folded)
		r = w.t.rows[folded]
		_, looked := w.slots[folded]
		if r.Key == rootKey || looked || right.has(r.ID) {
			return true
		}
		if r.Value != "" || !w.hangsRight(r, folded) {
			return true // that is looked at later
		}
		right.add(r.ID)
	}
}

// hangsRight reports whether the parent of a row is the row of the key above it.
func (w *work) hangsRight(r Row, folded string) bool {
	slash := strings.LastIndexByte(r.Key, '/')
	if slash < 0 {
		return false
	}
	above, ok := w.t.rows[w.t.columns.foldedParent(folded)]
	return ok && above.Key == r.Key[:slash] && above.ID == r.Parent
}
