package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// newest returns a snapshot of the catalogue, as new as there is one, and no older than a revision.
type newest func(ctx context.Context, least cssetcd.Revision) (*cssetcd.Snapshot, error)

var (
	// ErrMode says that MySQL and etcd do not agree on who may write.
	ErrMode = errors.New("MySQL and etcd do not agree on who may write")
	// ErrCapture says that not all that others write into kvData is captured.
	ErrCapture = errors.New("what others write into kvData is not captured as it should be")
)

func disagree(text string) error {
	return fmt.Errorf("%w: %s; run `css-sync mirror --capture install` or `css-sync mirror --capture remove`", ErrMode,
		text)
}

func broken(capture kvdata.Capture) error { return fmt.Errorf("%w: %s", ErrCapture, capture.Faults[0]) }

// readShared reads all that a session has to know where both sides write; without it only etcd is written. What was
// decided on is read before the inbox is: else rows that left the inbox in between would be decided on again.
func (s *session) readShared(ctx context.Context, etcd Inbox) error {
	capture, err := s.db.Capture(ctx)
	if err != nil {
		return err
	}
	s.conflicts = capture.Conflicts
	var taken inbox.Taken
	if etcd != nil {
		if taken, err = etcd.Taken(ctx); err != nil {
			return err
		}
	}
	switch both := taken.At > 0; {
	case !both && !capture.Installed:
		return nil
	case !both:
		return disagree(onlyInMySQL)
	case !capture.Installed && capture.Waiting == 0: // else there is something left to take
		return disagree(onlyInEtcd)
	case len(capture.Faults) > 0:
		return broken(capture)
	}
	s.both = &sharing{etcd: etcd, taken: taken, refuses: capture.Refuses}
	in, table, records, err := s.db.Everything(ctx, s.state.Rows)
	if err == nil {
		err = s.leads(in)
	}
	if err != nil {
		return err
	}
	s.table, s.stored = table, records
	s.both.shot = snapshotOf(in)
	return nil
}

// mergeShared takes what the inbox holds, and then makes kvData show the catalogue, unless the brake is on. What others
// changed and no trigger saw is told, recorded and undone.
func (m *Mirror) mergeShared(ctx context.Context, s *session, newest newest) (*cssetcd.Snapshot, *plan.Plan, error) {
	to, err := newest(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	e, err := m.weighDrift(ctx, s, to)
	if err != nil {
		return nil, nil, err
	}
	m.tellForeign(e.Foreign)
	for {
		to, p, err := m.takeAndStep(ctx, s, newest, e)
		if kept(err) && m.crowded(s.both) {
			to, p, err = m.takeAndStepAlone(ctx, s, newest, e)
		}
		switch {
		case err == nil:
			return to, p, m.refuseDrops(ctx, s)
		case kept(err):
			s.both.keptOut()
		case !errors.Is(err, inbox.ErrDecided):
			return nil, nil, err
		}
		if err := wait.UpTo(ctx, m.pace.poll); err != nil {
			return nil, nil, err
		}
		if err := s.readInbox(ctx); err != nil {
			return nil, nil, err
		}
	}
}

// takeAndStepAlone is takeAndStep while nobody else can write kvData.
func (m *Mirror) takeAndStepAlone(ctx context.Context, s *session, newest newest, e plan.Evidence) (
	to *cssetcd.Snapshot, p *plan.Plan, err error,
) {
	err = m.alone(ctx, s, func(ctx context.Context) error {
		if err := s.readInbox(ctx); err != nil {
			return err
		}
		to, p, err = m.takeAndStep(ctx, s, newest, e)
		return err
	})
	return to, p, err
}

// weighDrift finds out what changed in kvData that neither the mirror wrote nor a trigger saw, and refuses what looks
// like the work of a wrong or emptied etcd. The session's table stays as it was read: what others changed past the
// triggers after they had written it is there, too, and a step has to find it.
func (m *Mirror) weighDrift(ctx context.Context, s *session, to *cssetcd.Snapshot) (plan.Evidence, error) {
	undone, err := kvdata.Undo(s.table, s.both.shot.Rows)
	if err != nil {
		return plan.Evidence{}, err
	}
	e, err := m.weighUndone(ctx, s, to)
	e.Foreign = append(e.Foreign, undone.Changed...)
	return e, errors.Join(err, undone.Redo(s.table))
}

// weighUndone is weighDrift with the table as it was before captured rows were written.
func (m *Mirror) weighUndone(ctx context.Context, s *session, to *cssetcd.Snapshot) (plan.Evidence, error) {
	p, err := plan.FullSharing(s.table, to)
	if err != nil {
		return plan.Evidence{}, err
	}
	e, err := evidence(ctx, s.catalogue, s.found(), p, to, m.regressed)
	if err == nil {
		err = brake(s.table, p, to, e, m.cfg.AllowMassDelete)
	}
	return e, err
}

// takeAndStep decides on all rows of the inbox and takes a step. Rows of a MySQL or an etcd that was set back are not
// decided on but recorded: what they were written on, nobody knows. Of a MySQL that was set back, what was decided on
// is forgotten, even where its inbox is empty.
func (m *Mirror) takeAndStep(ctx context.Context, s *session, newest newest, e plan.Evidence) (
	*cssetcd.Snapshot, *plan.Plan, error,
) {
	b := s.both
	err := inbox.ErrWentBack
	if !b.shot.WentBack(b.taken) && (!e.WentBack || len(b.shot.Undecided(b.taken)) == 0) {
		err = m.takeAll(ctx, s)
	}
	if errors.Is(err, inbox.ErrWentBack) {
		err = m.discard(ctx, s)
	}
	if err != nil {
		return nil, nil, err
	}
	return m.stepFully(ctx, s, newest, e)
}

// discard overrules all that the inbox holds.
func (m *Mirror) discard(ctx context.Context, s *session) error {
	b := s.both
	next, err := b.etcd.Take(ctx, b.shot.Discard(m.cfg.Name, s.state.Identity.History, b.taken))
	if err != nil {
		return err
	}
	b.taken = next
	return nil
}

// stepFully takes a step for which all of the table and of the catalogue is compared.
func (m *Mirror) stepFully(ctx context.Context, s *session, newest newest, e plan.Evidence) (
	*cssetcd.Snapshot, *plan.Plan, error,
) {
	b := s.both
	step := b.shot.Step(b.taken, inbox.Rules{})
	to, err := newest(ctx, step.AtLeast)
	if err != nil {
		return nil, nil, err
	}
	p, err := plan.FullSharing(s.table, to, step.Anew(youngNames(to, b.shot), to, s.kvID)...)
	if err != nil {
		return nil, nil, err
	}
	conflicts := step.Conflicts(to)
	err = s.commit(ctx, kvdata.Step{
		To: to.Revision(), Plan: p, Stored: s.stored, Foreign: e.Foreign, Undone: true, Guessed: e.Guessed,
		Inbox: &kvdata.InboxStep{Known: step.Done.All(), Conflicts: conflicts},
	})
	if err != nil {
		return nil, nil, err
	}
	s.stored, b.keys, b.failed, b.blocked, m.regressed, m.told = nil, nil, nil, time.Time{}, false, nil
	m.log(m.status.foreign(nil))
	m.tellConflicts(s, conflicts)
	return to, p, nil
}

// youngNames returns the names that came into being since the revision that kvData shows, and those in the inbox.
func youngNames(to *cssetcd.Snapshot, shot inbox.Snapshot) []string {
	var keys []string
	for key, e := range to.Below("") {
		if e.Create > shot.Applied && csskey.Parse(key).IsName() {
			keys = append(keys, key)
		}
	}
	for _, r := range shot.Rows {
		keys = append(keys, r.Key)
	}
	return inbox.NamesIn(keys)
}

// feedNewest is the newest snapshot of the feed.
func (m *Mirror) feedNewest(s *session) newest {
	return func(ctx context.Context, least cssetcd.Revision) (*cssetcd.Snapshot, error) {
		return m.feedUpTo(ctx, s, least)
	}
}

// catalogueNewest reads a snapshot.
func (m *Mirror) catalogueNewest(s *session) newest {
	return func(ctx context.Context, _ cssetcd.Revision) (*cssetcd.Snapshot, error) {
		to, err := m.cfg.Catalogue.Snapshot(ctx, 0)
		if err == nil && to.Cluster() != s.cluster {
			err = otherCluster(to, s)
		}
		return to, err
	}
}
