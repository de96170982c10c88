package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/plan"
)

// DryRun says what [Mirror.Once] would do, and refuses what it would refuse, but writes nothing: no table is made and no other mirror is disturbed. What that one does meanwhile may make the numbers
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
	found, err := m.find(ctx, claim{name: m.cfg.Name, identity: identity, adopt: m.cfg.Adopt})
	if err != nil {
		return Result{}, err
	}
	to, err := m.cfg.Catalogue.Snapshot(ctx, 0)
	if err != nil {
		return Result{}, err
	}
	p, err := plan.Full(found.table, to)
	if err != nil {
		return Result{}, err
	}
	e, err := found.evidence(ctx, m.cfg.Catalogue, p, to, false)
	if err != nil {
		return Result{}, err
	}
	if err := brake(found.table, p, to, e, m.cfg.AllowMassDelete); err != nil {
		return Result{}, err
	}
	return resultOf(p, to.Revision()), nil
}

// find returns kvData as it is, if the claim may take it over; an empty one where it, or the database, is still to be
// made.
func (m *Mirror) find(ctx context.Context, by claim) (found finding, err error) {
	c, err := connect(ctx, m.cfg.Target, m.cfg.Timeout)
	missing := mysqlconn.Is(err, mysqlconn.ErBadDB)
	if missing {
		server := m.cfg.Target.Clone()
		server.DBName = ""
		c, err = connect(ctx, server, m.cfg.Timeout)
	}
	if err != nil {
		return found, err
	}
	defer c.Close()
	packet, err := maxPacket(ctx, c)
	if err != nil {
		return found, err
	}
	if packet < leastPacket {
		return found, smallPacket(c.target, fmt.Errorf("it is %d", packet))
	}
	tx, err := c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return found, err
	}
	defer tx.Rollback() // it reads only
	if !missing {
		if found.state, found.adopting, err = by.mayTake(ctx, tx, m.cfg.Target.DBName); err != nil {
			return found, err
		}
	}
	found.table, err = foundTable(ctx, tx, m.cfg.Target.DBName)
	return found, err
}

// mayTake is what takeOver refuses.
func (by claim) mayTake(ctx context.Context, q querier, database string) (s State, adopting bool, err error) {
	s, err = readState(ctx, q, database, "")
	if errors.Is(err, ErrNoMirror) {
		return State{}, false, nil
	}
	if err != nil {
		return s, false, err
	}
	if err := by.matches(s); err != nil && !by.adopt {
		return s, false, err
	} else if err != nil {
		adopting = true
	}
	return s, adopting, nil
}

func foundTable(ctx context.Context, q querier, database string) (*plan.Table, error) {
	there, err := hasTable(ctx, q, "kvData")
	if err != nil {
		return nil, err
	}
	if !there {
		weights, err := loadWeights(ctx, q, "utf8mb3", "utf8mb3_general_ci")
		if err != nil {
			return nil, fmt.Errorf("read how kvData will compare keys: %w", err)
		}
		return plan.NewTable(plan.QservColumns(weights)), nil
	}
	return findTable(ctx, q, database)
}
