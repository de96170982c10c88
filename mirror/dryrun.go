package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/plan"
)

// DryRun says what [Mirror.Once] would do with the newest snapshot of the feed, and refuses what it would refuse, but
// writes nothing: no table is made and no other mirror is disturbed. What that one does meanwhile may make the numbers
// wrong.
func (m *Mirror) DryRun(ctx context.Context) (Result, error) {
	result, err := m.dryRun(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("mirror: %w", explain(m.cfg.Target, err))
	}
	return result, nil
}

func (m *Mirror) dryRun(ctx context.Context) (Result, error) {
	identity, err := m.cfg.Catalogue.Identity(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("ask etcd which catalogue it holds: %w", err)
	}
	table, err := m.found(ctx, claim{name: m.cfg.Name, identity: identity, adopt: m.cfg.Adopt})
	if err != nil {
		return Result{}, err
	}
	to := m.cfg.Feed.Snapshot()
	p, err := plan.Full(table, to)
	if err == nil {
		err = brake(table, p, to, m.cfg.AllowMassDelete)
	}
	if err != nil {
		return Result{}, err
	}
	return Result{
		Revision: to.Revision(),
		Inserted: len(p.Inserts), Updated: len(p.Updates), Deleted: len(p.Deletes),
		Rows: p.Rows, Quarantined: len(p.Records),
	}, nil
}

// found returns kvData as it is, if the claim may take it over; an empty one where it, or the database, is still to be
// made.
func (m *Mirror) found(ctx context.Context, by claim) (*plan.Table, error) {
	c, err := connect(ctx, m.cfg.Target)
	missing := mysqlconn.Is(err, mysqlconn.ErBadDB)
	if missing {
		server := m.cfg.Target.Clone()
		server.DBName = ""
		c, err = connect(ctx, server)
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.statementBytes(ctx); err != nil {
		return nil, err
	}
	tx, err := c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it reads only
	if !missing {
		if err := by.mayTake(ctx, tx, m.cfg.Target.DBName); err != nil {
			return nil, err
		}
	}
	return foundTable(ctx, tx, m.cfg.Target.DBName)
}

// mayTake is what takeOver refuses.
func (by claim) mayTake(ctx context.Context, q querier, database string) error {
	state, err := readState(ctx, q, database, "")
	switch {
	case errors.Is(err, ErrNoMirror):
		return nil
	case err == nil && !by.adopt:
		return by.matches(state)
	}
	return err
}

func foundTable(ctx context.Context, q querier, database string) (*plan.Table, error) {
	there, err := hasTable(ctx, q, "kvData")
	if err != nil {
		return nil, err
	}
	if !there {
		weights, err := loadWeights(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read how kvData compares keys: %w", err)
		}
		return plan.NewTable(weights), nil
	}
	if err := inspectKvData(ctx, q, database); err != nil {
		return nil, err
	}
	return loadTable(ctx, q)
}
