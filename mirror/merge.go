package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

// merge makes kvData show a snapshot, whatever it shows now, unless the brake is on. What others wrote is told first,
// and recorded by the transaction that undoes it.
func (m *Mirror) merge(ctx context.Context, s *session, to *cssetcd.Snapshot) (*plan.Plan, error) {
	p, err := plan.FullSharing(s.table, to)
	if err != nil {
		return nil, err
	}
	e, err := evidence(ctx, s.catalogue, s.found(), p, to, m.regressed)
	if err != nil {
		return nil, err
	}
	return p, m.make(ctx, s, p, to, e)
}

// make executes a plan that makes kvData show a snapshot, unless the brake is on.
func (m *Mirror) make(ctx context.Context, s *session, p *plan.Plan, to *cssetcd.Snapshot, e plan.Evidence) error {
	if err := brake(s.table, p, to, e, m.cfg.AllowMassDelete); err != nil {
		return err
	}
	m.tellForeign(e.Foreign)
	if err := s.merge(ctx, p, to, e); err != nil {
		return err
	}
	if len(e.Foreign) > 0 {
		m.cfg.Logger.Info("what others wrote is undone, and css_mirror_foreign has it", "rows", len(e.Foreign))
	}
	m.regressed, m.told, s.foreign = false, nil, foreign{}
	m.log(m.status.foreign(nil))
	return nil
}

// brake refuses a merge that looks like the work of a wrong or emptied etcd.
func brake(table *plan.Table, p *plan.Plan, to *cssetcd.Snapshot, e plan.Evidence, allowMassDelete bool) error {
	if !p.ChangesRows() {
		return nil
	}
	if err := plan.BrakeCatalogue(table, to); err != nil {
		return err
	}
	if err := plan.BrakeMerge(table, p, e); err != nil && !allowMassDelete {
		return err
	}
	return nil
}

// Bounds on what is logged of others' writes: rows one by one, and bytes of a value.
const (
	mostTold      = 20
	mostToldBytes = 200
)

// tellForeign logs what others wrote, by key with both values, and each once, though it may take several tries to undo
// it.
func (m *Mirror) tellForeign(changes []plan.Difference) {
	fresh := foreign{changes: m.told}.among(changes)
	if m.told == nil {
		m.told = map[plan.Difference]bool{}
	}
	for _, d := range fresh[:min(len(fresh), mostTold)] {
		m.cfg.Logger.Warn("others wrote into kvData", "key", shorten(d.Key), "difference", d.Kind, "found", shorten(d.Have),
			"mirrored", shorten(d.Want), "kvId", d.RowID)
	}
	if more := len(fresh) - mostTold; more > 0 {
		m.cfg.Logger.Warn("others wrote more rows; css_mirror_foreign has them", "rows", more)
	}
	for _, d := range fresh[:min(len(fresh), plan.MaxForeign)] {
		m.told[d] = true
	}
}

func shorten(text string) string {
	if len(text) <= mostToldBytes {
		return text
	}
	return text[:mostToldBytes] + fmt.Sprintf("... (%d bytes)", len(text))
}

// catchUp lets the feed come up to the catalogue that the session found in etcd: to the same cluster, since an address
// may have come to lead to another one for a while, and to the revision that kvData shows already, written by whoever
// had the table before, so that readers do not see the catalogue go back.
func (m *Mirror) catchUp(ctx context.Context, s *session) error {
	short, cancel := context.WithTimeout(ctx, m.pace.catchUp)
	defer cancel()
	for m.ofAnotherCluster(s) || m.isBehind(s) {
		u, err := m.cfg.Feed.Next(short)
		m.regressed = m.regressed || u.Regressed
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case short.Err() != nil && m.ofAnotherCluster(s):
			return otherCluster(m.cfg.Feed.Snapshot(), s)
		case short.Err() != nil:
			return m.wentBack(ctx, s.state.Applied)
		case err != nil:
			return err
		}
	}
	return nil
}

func otherCluster(read *cssetcd.Snapshot, s *session) error {
	return fmt.Errorf("the catalogue was read from the etcd cluster %x, and etcd says that it is %x", read.Cluster(),
		s.cluster)
}

func (m *Mirror) ofAnotherCluster(s *session) bool {
	return m.cfg.Feed.Snapshot().Cluster() != s.cluster
}

// isBehind is never said when etcd went back, and of a table that is to be adopted: its revisions are those of another
// catalogue.
func (m *Mirror) isBehind(s *session) bool {
	return !m.regressed && s.adopt == nil && m.cfg.Feed.Snapshot().Revision() < s.state.Applied
}

// wentBack returns nil when etcd itself has not reached the revision that kvData shows, as after a restore, and an
// error when what is followed is merely late.
func (m *Mirror) wentBack(ctx context.Context, shown cssetcd.Revision) error {
	_, err := m.cfg.Catalogue.Snapshot(ctx, shown)
	switch {
	case errors.Is(err, cssetcd.ErrFutureRevision):
		m.regressed = true
		return nil
	case err != nil && !errors.Is(err, cssetcd.ErrCompacted):
		return fmt.Errorf("ask etcd for the revision %d that kvData shows: %w", shown, err)
	}
	return fmt.Errorf("what was seen of etcd is at revision %d, and kvData already shows revision %d",
		m.cfg.Feed.Snapshot().Revision(), shown)
}

// drain takes what the feed has ready. While the mirror waited, or was refused, nobody did; and what it was refused for
// may be in the past.
func (m *Mirror) drain(ctx context.Context) error {
	return ready(ctx, m.cfg.Feed, func(u cssetcd.Update) error {
		m.regressed = m.regressed || u.Regressed
		return nil
	})
}

// ready hands on the updates that a feed has, without waiting for any.
func ready(ctx context.Context, feed Feed, take func(cssetcd.Update) error) error {
	now, cancel := context.WithCancel(ctx)
	cancel() // a feed gives what it has, and does not wait
	for {
		u, err := feed.Next(now)
		switch {
		case err == nil:
			err = take(u)
		case ctx.Err() == nil && errors.Is(err, context.Canceled):
			return nil
		}
		if err != nil {
			return err
		}
	}
}
