package mirror

import (
	"context"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// tellConflicts logs what was overruled and undone in kvData, and is on record now.
func (m *Mirror) tellConflicts(s *session, conflicts []inbox.Conflict) {
	if len(conflicts) > 0 {
		s.conflicts = min(s.conflicts+len(conflicts), kvdata.MaxConflicts)
		m.log(m.status.conflicts(s.conflicts))
	}
	for _, c := range conflicts[:min(len(conflicts), mostTold)] {
		m.cfg.Logger.Warn("a change that others wrote into kvData was not taken", "key", shorten(c.Key), "kind", c.Kind,
			"reason", c.Reason, "detail", c.Detail, "wrote", shorten(c.After.String()), "etcd", shorten(c.Etcd.String()),
			"writer", c.Writer)
	}
	if more := len(conflicts) - mostTold; more > 0 {
		m.cfg.Logger.Warn("more changes were not taken; css_mirror_conflicts has them", "rows", more)
	}
}

// lookAtCapture looks how what others write is captured, and counts what etcd did not take. It fails where not all is
// captured that is to be.
func (s *session) lookAtCapture(ctx context.Context) error {
	if s.both == nil && s.conflicts == 0 {
		return nil
	}
	capture, err := s.db.Capture(ctx)
	if err != nil {
		return err
	}
	s.conflicts = capture.Conflicts
	switch {
	case s.both == nil:
		return nil
	case !capture.Installed:
		return fmt.Errorf("%w: its triggers are gone", ErrCapture)
	case len(capture.Faults) > 0:
		return broken(capture)
	}
	return nil
}

// conflictsText says that there are conflicts.
func conflictsText(n int) string {
	if n == 1 {
		return "1 change that others wrote into kvData was not taken into etcd"
	}
	return fmt.Sprintf("%d changes that others wrote into kvData were not taken into etcd", n)
}

// ConflictsTrouble is the trouble that there are conflicts, since an unknown time.
func ConflictsTrouble(n int) Trouble { return NewTrouble(Conflicts, conflictsText(n), time.Time{}) }
