package mirror

import (
	"github.com/qserv/css-etcd/mirror/inbox"
)

// tellTaken logs what was decided on.
func (m *Mirror) tellTaken(was, now inbox.Taken, shot inbox.Snapshot) {
	var rows int
	for _, r := range shot.Rows {
		if now.IDs.Has(r.ID) && !was.IDs.Has(r.ID) {
			rows++
		}
	}
	if rows > 0 {
		m.cfg.Logger.Debug("taken what others wrote into kvData", "rows", rows, "revision", now.At)
	}
}

// tellConflicts logs what was overruled, and undone in kvData.
func (m *Mirror) tellConflicts(conflicts []inbox.Conflict) {
	for _, c := range conflicts[:min(len(conflicts), mostTold)] {
		m.cfg.Logger.Warn("a change that others wrote into kvData was not taken", "key", shorten(c.Key), "kind", c.Kind,
			"reason", c.Reason, "detail", c.Detail, "wrote", shorten(c.After.String()), "etcd", shorten(c.Etcd.String()),
			"writer", c.Writer)
	}
	if more := len(conflicts) - mostTold; more > 0 {
		m.cfg.Logger.Warn("more changes were not taken; css_mirror_conflicts has them", "rows", more)
	}
}
