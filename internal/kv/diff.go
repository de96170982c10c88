package kv

import "slices"

// Delta is the net change of one key between two snapshots: Old is zero when the key came into being, New when it went.
type Delta struct {
	Path     Path
	Old, New Entry
}

// Diff returns what differs between two snapshots of the same spans, in byte order: keys that exist in one only, and
// keys whose ModRevision differs. It walks both; DiffAt is for when the changed paths are known.
func Diff(from, to *Snapshot) []Delta {
	var out []Delta
	a, b := from.tree.Iter(), to.tree.Iter()
	defer a.Release()
	defer b.Release()
	okA, okB := a.First(), b.First()
	for okA || okB {
		switch {
		case !okB || (okA && a.Item().path < b.Item().path):
			out = append(out, Delta{Path: a.Item().path, Old: a.Item().entry})
			okA = a.Next()
		case !okA || b.Item().path < a.Item().path:
			out = append(out, Delta{Path: b.Item().path, New: b.Item().entry})
			okB = b.Next()
		default:
			if old, now := a.Item(), b.Item(); old.entry != now.entry {
				out = append(out, Delta{Path: old.path, Old: old.entry, New: now.entry})
			}
			okA, okB = a.Next(), b.Next()
		}
	}
	return out
}

// DiffAt is Diff for the case that nothing outside of touched has changed. It sorts touched in place; repeats are
// allowed.
func DiffAt(from, to *Snapshot, touched []Path) []Delta {
	slices.Sort(touched)
	var out []Delta
	for _, p := range slices.Compact(touched) {
		if old, now := from.At(p), to.At(p); old != now {
			out = append(out, Delta{Path: p, Old: old, New: now})
		}
	}
	return out
}
