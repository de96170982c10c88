package coordinator

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// act carries out one action. What fails is decided anew with the next look.
func (c *Coordinator) act(lead *leadership, a protocol.Action) {
	ctx, cancel := context.WithTimeout(lead.ctx, readLimit)
	defer cancel()
	if a.Kind == protocol.Adopt {
		a.Intent.Was = c.before(ctx, a)
	}
	var tables []protocol.Table
	if a.Kind == protocol.Execute {
		var err error
		if tables, err = c.describe(ctx, a.Mark, a.Name); err != nil {
			c.report(lead, a, err)
			return
		}
	}
	c.report(lead, a, c.commit(ctx, lead, a, tables))
}

// commit makes the transaction of an action, its lease granted before.
func (c *Coordinator) commit(ctx context.Context, lead *leadership, a protocol.Action, tables []protocol.Table) error {
	var lease clientv3.LeaseID
	if a.NeedsLease() {
		granted, _, err := c.store.Grant(ctx, int64(a.Delay()))
		if err != nil {
			return err
		}
		lease = clientv3.LeaseID(granted)
	}
	_, err := c.store.Commit(ctx, lead.Change(a, int64(lease), tables))
	switch {
	case lease == 0:
	case err == nil:
		_, _ = c.etcd.KeepAliveOnce(ctx, lease) // it begins with the mark, not before it
	case errors.Is(err, kv.ErrGuard):
		_, _ = c.etcd.Revoke(ctx, lease) // nothing hangs on it; it would run out by itself
	}
	return err
}

// report logs what was done, or why not. What etcd refuses may be refused because this process leads no more.
func (c *Coordinator) report(lead *leadership, a protocol.Action, err error) {
	log := c.cfg.Logger.With("action", string(a.Kind), "name", a.Name.String(), "mark", int64(a.Mark))
	if a.ID != "" {
		log = c.cfg.Logger.With("action", string(a.Kind), "czar", a.ID, "czar_name", a.Registration.Name)
	}
	switch {
	case err == nil:
		log.Info("drops: done")
	case errors.Is(err, kv.ErrGuard):
		log.Debug("drops: what it was decided on has changed; it is decided anew")
		lead.term.Look()
	case c.failing.news(a, err):
		log.Warn("drops: not done; it is tried again", "err", err)
	}
}

// before returns the status that somebody wrote over by hand, which cancelling is to bring back. Where that is not
// known any more, it is one that lets nobody in.
func (c *Coordinator) before(ctx context.Context, a protocol.Action) string {
	at := a.Name.Path()
	then, err := c.store.Fetch(ctx, a.Found.Entry.Modified-1, kv.Key(at))
	if err != nil || !then.At(at).Exists() || cssetcd.Status(then.At(at).Value).State() == cssetcd.StatePendingDrop {
		return string(cssetcd.StatusIgnore)
	}
	return then.At(at).Value
}

// describe returns what a drop removes, as the catalogue shows it at the mark or later. From the mark on no table is
// created in a database, so what is found then is all.
func (c *Coordinator) describe(ctx context.Context, mark protocol.Revision, n protocol.Name) ([]protocol.Table, error) {
	s, err := c.cfg.View.WaitRevision(ctx, mark)
	if err != nil {
		return nil, err
	}
	db, table := n.Parts()
	if table != "" {
		return []protocol.Table{describe(s, db, table)}, nil
	}
	var all []protocol.Table
	for key := range s.Below(csskey.TablesKey(db)) {
		if _, table, ok := csskey.Split(key); ok && table != "" {
			all = append(all, describe(s, db, table))
		}
	}
	return all, nil
}

func describe(s *cssetcd.Snapshot, db, table string) protocol.Table {
	name := cssetcd.TableName{DB: db, Table: table}
	e, _ := s.Key(csskey.TableKey(db, table))
	out := protocol.Table{Table: table, Incarnation: e.Create}
	if t, err := s.Table(name); err == nil {
		out.ChunkLevel = t.ChunkLevel()
		return out
	}
	for range s.Below(csskey.TableKey(db, table) + "/partitioning") { // it cannot be read, but it is there
		out.ChunkLevel = 1
	}
	return out
}
