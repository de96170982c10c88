package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// sharing is what a session knows beside its table where both sides write.
type sharing struct {
	etcd  Inbox
	taken inbox.Taken
	shot  inbox.Snapshot // the newest; its rows are laid over the table
	// keys of etcd that changed since the revision that kvData shows
	keys map[string]struct{}
	// why the last step was taken back; with no row that explains it the session ends
	failed  error
	busy    time.Time // when the inbox last held anything
	refuses bool      // drops by others, as MySQL has it
	asked   time.Time // when czars were last looked for
	blocked time.Time // since when others have been in the way of each step; zero when they are not
}

// share follows both sides. The session's table is what it left in kvData, with the rows of the inbox laid over it.
func (m *Mirror) share(ctx context.Context, s *session, a *audit) error {
	for {
		moved, err := m.shareOnce(ctx, s)
		if err == nil {
			err = m.heedCzars(ctx, s)
		}
		if err == nil && !moved {
			err = m.rest(ctx, s)
		}
		if err == nil {
			err = m.heed(ctx, s, a)
		}
		if err != nil {
			return err
		}
	}
}

// shareOnce reads the inbox, and decides on its rows or takes a step; moved says that it did either.
func (m *Mirror) shareOnce(ctx context.Context, s *session) (moved bool, err error) {
	if m.crowded(s.both) {
		err := m.alone(ctx, s, func(ctx context.Context) (err error) {
			moved, err = m.shareAsItIs(ctx, s)
			return err
		})
		if !errors.Is(err, ErrBusy) && !errors.Is(err, ErrUnauthorized) {
			return moved, err
		}
	}
	return m.shareAsItIs(ctx, s)
}

func (m *Mirror) shareAsItIs(ctx context.Context, s *session) (moved bool, err error) {
	if err := s.readInbox(ctx); err != nil {
		return false, err
	}
	b := s.both
	if b.failed != nil && len(b.shot.Undecided(b.taken)) == 0 {
		return false, b.failed
	}
	b.failed = nil
	switch err := m.takeAll(ctx, s); {
	case errors.Is(err, inbox.ErrDecided):
		return true, nil // the inbox is read again
	case err != nil:
		return false, err
	}
	return m.step(ctx, s)
}

// takeAll decides on all rows of the inbox as it was read. Those that came since wait for the next step: while others
// write all the time, none would ever come else. With ErrDecided the inbox has to be read again.
func (m *Mirror) takeAll(ctx context.Context, s *session) error {
	b := s.both
	d := b.shot.Decide(m.cfg.Name, s.state.Identity.History, b.taken, inbox.Rules{})
	if d.Empty() {
		return nil
	}
	for ; !d.Empty(); d = d.Next(b.taken) {
		if err := m.take(ctx, s, d); err != nil {
			return err
		}
	}
	m.cfg.Logger.Debug("taken what others wrote into kvData", "rows", b.taken.IDs.Len(), "revision", b.taken.At)
	return nil
}

// readInbox reads the inbox, and lays its rows over the table.
func (s *session) readInbox(ctx context.Context) error {
	in, err := s.db.Inbox(ctx)
	if err == nil {
		err = s.leads(in)
	}
	if err != nil {
		return err
	}
	return s.lay(in)
}

// leads fails where the inbox was read when another mirror had the table.
func (s *session) leads(in kvdata.Inbox) error {
	if in.Term != s.state.Term || in.Applied != s.state.Applied {
		return fmt.Errorf("%w: css_mirror_state is at term %d and revision %d", ErrFenced, in.Term, in.Applied)
	}
	return nil
}

// lay notes what the inbox holds, and lays over the table what came since it was read last. What was there already is
// not laid again: others may have changed it past the triggers, and a step must find what there is.
func (s *session) lay(in kvdata.Inbox) error {
	fresh := inbox.Fresh(in.Rows, s.both.shot.Rows)
	s.both.shot = snapshotOf(in)
	if len(in.Rows) > 0 {
		s.both.busy = time.Now()
	}
	return kvdata.Lay(s.table, fresh)
}

func snapshotOf(in kvdata.Inbox) inbox.Snapshot {
	return inbox.Snapshot{Applied: in.Applied, Rows: in.Rows}
}

// take carries a decision out.
func (m *Mirror) take(ctx context.Context, s *session, d inbox.Decision) error {
	b := s.both
	next, err := b.etcd.Take(ctx, d)
	if errors.Is(err, inbox.ErrDecided) {
		taken, failed := b.etcd.Taken(ctx)
		if failed != nil {
			return failed
		}
		if b.taken = taken; taken.At == 0 {
			return fmt.Errorf("%w: etcd no longer says that both sides write", ErrMode)
		}
		return err
	}
	if err != nil {
		return err
	}
	b.taken = next
	return nil
}

// step makes kvData what etcd holds, and empties the inbox of what was decided on.
func (m *Mirror) step(ctx context.Context, s *session) (moved bool, err error) {
	b := s.both
	step := b.shot.Step(b.taken, inbox.Rules{})
	to, err := m.feedUpTo(ctx, s, step.AtLeast)
	if err != nil {
		return false, err
	}
	if len(step.Done) == 0 && len(b.keys) == 0 {
		return false, m.shows(ctx, s, to)
	}
	p, err := s.planStep(step, to)
	if err != nil {
		return false, err
	}
	conflicts := step.Conflicts(to)
	err = s.commit(ctx, kvdata.Step{
		To: to.Revision(), Plan: p, Inbox: &kvdata.InboxStep{Known: step.Done.All(), Conflicts: conflicts},
	})
	return m.stepped(s, err, to, conflicts)
}

// stepped notes how a step ended. One that others were in the way of has changed nothing, and is tried again with what
// they wrote.
func (m *Mirror) stepped(s *session, err error, to *cssetcd.Snapshot, conflicts []inbox.Conflict) (moved bool,
	_ error) {
	b := s.both
	switch {
	case errors.Is(err, kvdata.ErrOvertaken):
		b.keptOut()
		return true, nil
	case errors.Is(err, ErrBusy):
		b.keptOut()
		if time.Since(b.blocked) > s.timeout/4 {
			m.report(err)
		}
		return false, nil
	case errors.Is(err, kvdata.ErrDrift):
		b.failed = err
		return true, nil
	case err != nil:
		return false, err
	}
	b.keys, b.blocked = nil, time.Time{}
	m.tellConflicts(s, conflicts)
	m.log(m.status.follows(s.state, to.Revision()))
	return true, nil
}

// planStep plans a step for the keys that may differ.
func (s *session) planStep(step inbox.Step, to *cssetcd.Snapshot) (*plan.Plan, error) {
	b := s.both
	keys := make([]string, 0, len(b.keys)+len(b.shot.Rows))
	for key := range b.keys {
		keys = append(keys, key)
	}
	for _, r := range b.shot.Rows {
		keys = append(keys, r.Key)
	}
	keys = append(keys, s.orphans(to)...)
	anew := step.Anew(inbox.NamesIn(keys), to, s.kvID)
	p, err := plan.Changed(s.table, to, keys, anew...)
	if err != nil || !p.ChangesRows() {
		return p, err
	}
	return p, plan.BrakeCatalogue(s.table, to)
}

// orphans returns the keys right below those whose rows others removed and etcd still has: their rows get the parent
// that is made anew. Only who leaves foreign keys unchecked can remove a row and not those below it.
func (s *session) orphans(to *cssetcd.Snapshot) (keys []string) {
	removed := map[string]bool{}
	for _, r := range s.both.shot.Rows {
		if _, there := to.Key(r.Key); there && !r.After.There {
			removed[r.Key] = true
		}
	}
	if len(removed) == 0 {
		return nil
	}
	for r := range s.table.Rows() {
		if r.Key != "" && removed[csskey.Parent(r.Key)] {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

func (s *session) kvID(key string) int32 {
	r, _ := s.table.Row(key)
	return r.ID
}

// feedUpTo takes what the feed has, and waits until it shows a revision.
func (m *Mirror) feedUpTo(ctx context.Context, s *session, least cssetcd.Revision) (*cssetcd.Snapshot, error) {
	for {
		if err := ready(ctx, m.cfg.Feed, func(u cssetcd.Update) error { return m.note(s, u) }); err != nil {
			return nil, err
		}
		to := m.cfg.Feed.Snapshot()
		if to.Revision() >= least {
			return to, nil
		}
		u, err := m.cfg.Feed.Next(ctx)
		if err == nil {
			err = m.note(s, u)
		}
		if err != nil {
			return nil, err
		}
	}
}

// note notes what an update of the feed changed.
func (m *Mirror) note(s *session, u cssetcd.Update) error {
	if u.Regressed {
		m.regressed = true
		return errRegressed
	}
	if s.both.keys == nil {
		s.both.keys = map[string]struct{}{}
	}
	for _, change := range u.Keys {
		s.both.keys[change.Key] = struct{}{}
	}
	if len(u.Keys) > 0 {
		m.status.saw(u.To.Revision())
	}
	return nil
}

// shows notes that kvData shows all that there is, and moves the revision on when that is due.
func (m *Mirror) shows(ctx context.Context, s *session, to *cssetcd.Snapshot) error {
	if to.Revision() > s.state.Applied && !time.Now().Before(s.wrote.Add(m.pace.idle)) {
		if err := s.advance(ctx, to.Revision()); err != nil {
			return err
		}
	}
	m.log(m.status.follows(s.state, to.Revision()))
	return nil
}

// rest waits until an update comes or the inbox is to be read again, and looks at the server when that is due.
func (m *Mirror) rest(ctx context.Context, s *session) error {
	if !time.Now().Before(s.looked.Add(m.cfg.LookEvery)) {
		return m.lookAt(ctx, s)
	}
	pause := m.pace.poll
	if time.Since(s.both.busy) < m.pace.lively {
		pause = m.pace.often
	}
	u, err := m.nextUntil(ctx, time.Now().Add(pause))
	switch {
	case errors.Is(err, errIdle):
		return nil
	case err != nil:
		return err
	}
	return m.note(s, u)
}

// heedCzars looks for czars when that is due. It has a time of its own: steps put the look at the server off, and czars
// that confirm themselves make for steps all the time.
func (m *Mirror) heedCzars(ctx context.Context, s *session) error {
	if time.Now().Before(s.both.asked.Add(m.cfg.LookEvery)) {
		return nil
	}
	s.both.asked = time.Now()
	return m.refuseDrops(ctx, s)
}

// refuseDrops makes MySQL refuse drops by others while czars are registered, if that is wanted.
func (m *Mirror) refuseDrops(ctx context.Context, s *session) error {
	refuse := m.cfg.Drops == Refuse
	if refuse {
		var err error
		if refuse, err = s.both.etcd.Queried(ctx); err != nil {
			return err
		}
	}
	if refuse == s.both.refuses {
		return nil
	}
	err := s.db.RefuseDrops(ctx, refuse)
	switch {
	case errors.Is(err, ErrBusy):
		return nil // somebody drops just now; it is tried again
	case err != nil:
		return err
	}
	s.both.refuses = refuse
	m.cfg.Logger.Info("drops by others in kvData", "refused", refuse)
	return nil
}

// foundDrift ends the session where others changed what no trigger saw: the next one undoes and records it.
func (s *session) foundDrift(ctx context.Context) error {
	in, found, _, err := s.db.Everything(ctx, s.table.Len())
	if err == nil {
		err = s.lay(in)
	}
	if err != nil {
		return err
	}
	if changes := plan.Foreign(found, s.table); len(changes) > 0 {
		return fmt.Errorf("%w: %d rows were changed past the triggers, the first is %q", kvdata.ErrDrift, len(changes),
			changes[0].Key)
	}
	return nil
}
