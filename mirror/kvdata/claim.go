package kvdata

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// Claim is what a mirror takes the table over with.
type Claim struct {
	Name, Owner string
	Identity    cssetcd.Identity // of the catalogue
	Adopt       bool             // a table that shows another one is taken over, too
}

// TakeOver makes this mirror the one that may write, and returns the state with the new term. From then on no other
// mirror's transaction goes through: one that was under way has been waited for, and its revision is in the state
// returned. It fails with [ErrIdentity] where the table shows something else. If that is to be adopted, the table still
// shows it afterwards: what it is about changes together with its rows.
func (c *Conn) TakeOver(ctx context.Context, by Claim) (s State, adopting bool, err error) {
	s, adopting, err = c.conn.takeOver(ctx, by)
	return s, adopting, c.explain(err)
}

func (c *connection) takeOver(ctx context.Context, by Claim) (s State, adopting bool, err error) {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return State{}, false, err
	}
	defer tx.Rollback() // nothing after a commit
	s, err = readState(ctx, tx, c.target.DBName, "FOR UPDATE")
	if errors.Is(err, ErrNoMirror) {
		s, err = State{Mirror: by.Name, Identity: by.Identity}, nil
		_, failed := tx.ExecContext(ctx, `INSERT INTO css_mirror_state
			(id, mirror_name, term, cluster_id, history, prefix, applied, row_count, quarantined, format, owner, updated)
			VALUES (1, '', 0, 0, '', '', 0, 0, 0, 0, '', UTC_TIMESTAMP(6))`)
		if failed != nil {
			return State{}, false, fmt.Errorf("take the table over: %w", failed)
		}
	}
	if err != nil {
		return State{}, false, err
	}
	if adopting, err = by.mayTake(s); err != nil {
		return State{}, false, err
	}
	if !adopting {
		s.Mirror, s.Identity = by.Name, by.Identity
	}
	s.Owner, s.Format = by.Owner, stateFormat
	s.Term++
	_, err = tx.ExecContext(ctx, `UPDATE css_mirror_state SET mirror_name = ?, term = ?, cluster_id = ?, history = ?, prefix = ?,
		applied = ?, format = ?, owner = ?, updated = UTC_TIMESTAMP(6) WHERE id = 1`,
		s.Mirror, s.Term, s.Identity.Cluster, s.Identity.History, s.Identity.Prefix, s.Applied, s.Format, s.Owner)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return State{}, false, fmt.Errorf("take the table over: %w", err)
	}
	return s, adopting, nil
}

// mayTake returns ErrIdentity where the table shows something else and is not to be adopted.
func (by Claim) mayTake(s State) (adopting bool, err error) {
	if err = by.Check(s); err != nil && by.Adopt {
		return true, nil
	}
	return false, err
}

// Check returns [ErrIdentity] unless the table shows what the claim is about. An empty history is that of an etcd in
// which no catalogue had been made; one has been since.
func (by Claim) Check(s State) error {
	if s.Released() {
		return errReleased(s)
	}
	was, is := s.Identity, by.Identity
	if was.History == "" {
		was.History = is.History
	}
	if was == is && s.Mirror == by.Name {
		return nil
	}
	if was == is {
		return fmt.Errorf("%w: kvData is kept by the mirror %q of this same catalogue, and this is %q; give --mirror-name "+
			"%[2]s, "+
			"or say once with `css-sync mirror --once --adopt` that the name has changed", ErrIdentity, s.Mirror, by.Name)
	}
	return fmt.Errorf("%w: kvData is the mirror %q of %s, and this is the mirror %q of %s; "+
		"if the table is to show this one, say so once with `css-sync mirror --once --adopt`",
		ErrIdentity, s.Mirror, describe(s.Identity), by.Name, describe(by.Identity))
}

func describe(id cssetcd.Identity) string {
	return fmt.Sprintf("the prefix %s, history %q, in the etcd cluster %x", id.Prefix, id.History, id.Cluster)
}

// Interrupt makes whichever mirror writes to a target take the table over anew, and look at everything again. Where no
// mirror has written it does nothing.
func Interrupt(ctx context.Context, target *mysql.Config) error {
	err := reading(ctx, target, func(c *connection) error {
		_, err := c.ExecContext(ctx, "UPDATE css_mirror_state SET term = term + 1 WHERE id = 1")
		if mysqlconn.NoSuchTable(err) {
			return nil
		}
		return err
	})
	if errors.Is(err, ErrNoMirror) {
		return nil
	}
	return err
}
