package kvdata

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Found is kvData as it was found, beside what the mirror says of it.
type Found struct {
	State    State
	Table    *plan.Table
	Records  Records // in quarantine, as far as they were read
	Adopting bool    // it shows another catalogue so far
}

// Untouched reports whether kvData is as the mirror left it.
func (f Found) Untouched() bool {
	return f.State.Digest != nil && *f.State.Digest == f.Table.Digest() && f.State.Rows == f.Table.Len()
}

// Find returns what a claim would take over, and an empty table where it, or the database, would be made. It refuses
// what [Open] and [Conn.TakeOver] would, but for privileges.
func Find(ctx context.Context, target *mysql.Config, timeout time.Duration, by Claim) (found Found, err error) {
	c, err := connect(ctx, target, timeout)
	missing := mysqlconn.Is(err, mysqlconn.ErBadDB)
	if missing {
		c, err = connect(ctx, withoutDatabase(target), timeout)
	}
	if err != nil {
		return found, err
	}
	defer c.Close()
	if _, err := c.sufficientPacket(ctx); err != nil {
		return found, explain(target, err)
	}
	err = c.consistently(ctx, func(q querier) (err error) {
		if !missing {
			if found.State, found.Adopting, err = by.find(ctx, q, target.DBName); err != nil {
				return err
			}
		}
		found.Table, err = findTable(ctx, q, target.DBName, found.State.Rows)
		return err
	})
	return found, explain(target, err)
}

// find is what takeOver would find, and refuses what it would refuse.
func (by Claim) find(ctx context.Context, q querier, database string) (s State, adopting bool, err error) {
	s, err = readState(ctx, q, database, "")
	if errors.Is(err, ErrNoMirror) {
		return State{}, false, nil
	}
	if err != nil {
		return s, false, err
	}
	adopting, err = by.mayTake(s)
	return s, adopting, err
}

// findTable reads kvData, and an empty one where it would be made.
func findTable(ctx context.Context, q querier, database string, expected int) (*plan.Table, error) {
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
	return loadTable(ctx, q, database, expected)
}
