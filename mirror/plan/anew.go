package plan

import "strings"

// renew has the rows of keys looked at, with all that lies or hangs below them, and marks them: they go, and those that
// are to be there come anew.
func (w *work) renew(keys []string) {
	if len(keys) == 0 {
		return
	}
	tops := map[string]bool{}
	for _, key := range keys {
		tops[w.t.columns.Fold(key)] = true
		w.touch(key)
		for below := range w.to.Below(key) {
			w.touch(below)
		}
	}
	// Rows that hang below by hand alone have to go, too: the server deletes no row that another one refers to.
	cleared := map[int32]bool{}
	for grown := true; grown; {
		grown = false
		for folded, r := range w.t.rows {
			if !cleared[r.ID] && (w.t.columns.within(folded, tops) || r.Parent != 0 && cleared[r.Parent]) {
				cleared[r.ID], grown = true, true
				w.touch(r.Key)
			}
		}
	}
	w.cleared = cleared
}

// within reports whether a folded key is one of some, or lies below one.
func (c *Columns) within(folded string, tops map[string]bool) bool {
	for {
		if tops[folded] {
			return true
		}
		at := strings.LastIndexByte(folded, '/')
		if at < 0 {
			return false
		}
		folded = c.foldedParent(folded)
	}
}

// goes reports whether the row of a slot is deleted before anything is inserted.
func (w *work) goes(s *slot) bool { return s.had && w.cleared[s.old.ID] }

// stays reports whether the row of a slot keeps its place and its id.
func (w *work) stays(s *slot) bool { return s.had && s.has && !w.cleared[s.old.ID] }
