package plan

import (
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
)

// Most of a table is right already, and needs no slot, no rivals and no verdict. Where keys compete for a place, one of
// them has no row, so that what is found right here is right.

// shows returns the row that a key of the image is to have, and notes it as right, with those above it that are there
// for its sake; nil: there is no such row. Keys have to come in byte order: what is above a key and a key itself has
// come before.
func (w *work) shows(key, value string, right *ids) *Row {
	var buf [csskey.MaxKey]byte
	folded := w.t.columns.fold(buf[:0], key)
	r := w.t.rows[string(folded)]
	if r == nil || r.Key != key || r.Value != value || !w.t.columns.fits(key, value) {
		return nil
	}
	folded = w.t.columns.foldedParentOf(folded)
	above := w.nearest(r, folded)
	if !isAbove(above, r) {
		return nil
	}
	right.add(r.ID)
	w.near = [...]*Row{r, above}
	for above.Key != rootKey && !right.has(above.ID) && above.Value == "" {
		if _, looked := w.slots[string(folded)]; looked {
			break
		}
		at := above
		folded = w.t.columns.foldedParentOf(folded)
		if above = w.t.rows[string(folded)]; !isAbove(above, at) {
			break // that is looked at later
		}
		right.add(at.ID)
	}
	return r
}

// nearest returns the row above another one, which most often is what was looked at just before, or above that.
func (w *work) nearest(r *Row, foldedParent []byte) *Row {
	for _, near := range w.near {
		if isAbove(near, r) {
			return near
		}
	}
	return w.t.rows[string(foldedParent)]
}

// isAbove reports whether a row is the parent of another one, by its key and by its id.
func isAbove(above, r *Row) bool {
	slash := strings.LastIndexByte(r.Key, '/')
	return above != nil && slash >= 0 && above.Key == r.Key[:slash] && above.ID == r.Parent
}
