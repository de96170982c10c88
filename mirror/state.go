package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// stateFormat is the format of the mirror's own tables that this package writes. Since 2 the digest is kept.
const stateFormat = 2

// State is what MySQL says of itself: the row of css_mirror_state.
type State struct {
	Mirror      string // name of the mirror
	Term        int64  // counts the take-overs
	Identity    cssetcd.Identity
	Applied     cssetcd.Revision // the revision of etcd that kvData shows; 0: none yet
	Rows        int              // of kvData
	Digest      *uint64          // of the rows, see plan.Table.Digest; nil: the mirror that wrote last kept none
	Quarantined int
	Owner       string        // who took over last
	Updated     time.Time     // when the row was last written, by the server's clock
	Age         time.Duration // how long ago that was, by the same clock
	Format      int
}

// ReadState returns the state that a mirror left in MySQL. It fails with [ErrNoMirror] where there is none, and with
// [ErrUnavailable] or [ErrUnauthorized].
func ReadState(ctx context.Context, target *mysql.Config) (State, error) {
	if err := validateTarget(target); err != nil {
		return State{}, fmt.Errorf("mirror: %w", err)
	}
	c, err := connect(ctx, target, defaultTimeout)
	if err != nil {
		return State{}, missingDatabase(target, err)
	}
	defer c.Close()
	s, err := readState(ctx, c, target.DBName, "")
	return s, explain(target, err)
}

// missingDatabase makes a database that does not exist ErrNoMirror.
func missingDatabase(target *mysql.Config, err error) error {
	if mysqlconn.Is(err, mysqlconn.ErBadDB) {
		return fmt.Errorf("%w: the database %s does not exist: %w", ErrNoMirror, target.DBName, err)
	}
	return err
}

// readState reads the row, with a lock where the suffix says so. It fails with ErrNoMirror when there is no row or no
// table.
func readState(ctx context.Context, q querier, database, suffix string) (State, error) {
	var s State
	var digest sql.Null[uint64]
	var age int64
	err := q.QueryRowContext(ctx, `SELECT mirror_name, term, cluster_id, history, prefix, applied, row_count, digest,
		quarantined, owner, updated, TIMESTAMPDIFF(MICROSECOND, updated, UTC_TIMESTAMP(6)), format FROM css_mirror_state WHERE id = 1 `+suffix).Scan(
		&s.Mirror, &s.Term, &s.Identity.Cluster, &s.Identity.History, &s.Identity.Prefix, &s.Applied, &s.Rows, &digest,
		&s.Quarantined, &s.Owner, &s.Updated, &age, &s.Format)
	s.Age = time.Duration(age) * time.Microsecond
	if digest.Valid && s.Format >= 2 {
		s.Digest = &digest.V
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return State{}, fmt.Errorf("%w: the table css_mirror_state of the database %s is empty", ErrNoMirror, database)
	case mysqlconn.Is(err, mysqlconn.ErNoSuchTable):
		return State{}, fmt.Errorf("%w: %w", ErrNoMirror, err)
	case err != nil:
		return State{}, fmt.Errorf("read css_mirror_state: %w", err)
	case s.Format > stateFormat:
		return State{}, fmt.Errorf("%w: it is %d and this program knows %d; use the newer program", ErrNewerFormat, s.Format,
			stateFormat)
	}
	return s, nil
}

// claim is what a mirror takes the table over with.
type claim struct {
	name, owner string
	identity    cssetcd.Identity
	adopt       bool
}

// takeOver makes this mirror the one that may write, and returns the state with the new term. From then on no other
// mirror's transaction goes through: one that was under way has been waited for, and its revision is in the state
// returned. A table that shows something else and is to be adopted still shows that afterwards: what it is about
// changes together with its rows.
func (c *connection) takeOver(ctx context.Context, by claim) (s State, adopting bool, err error) {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return State{}, false, err
	}
	defer tx.Rollback() // nothing after a commit
	s, err = readState(ctx, tx, c.target.DBName, "FOR UPDATE")
	if errors.Is(err, ErrNoMirror) {
		s, err = State{Mirror: by.name, Identity: by.identity}, nil
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
	if err := by.matches(s); err != nil {
		if !by.adopt {
			return State{}, false, err
		}
		adopting = true
	} else {
		s.Mirror, s.Identity = by.name, by.identity
	}
	s.Owner, s.Format = by.owner, stateFormat
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

// matches returns ErrIdentity unless the table shows what the claim is about. An empty history is that of an etcd in
// which no catalogue had been made; one has been since.
func (by claim) matches(s State) error {
	was, is := s.Identity, by.identity
	if was.History == "" {
		was.History = is.History
	}
	if was == is && s.Mirror == by.name {
		return nil
	}
	if was == is {
		return fmt.Errorf("%w: kvData is kept by the mirror %q of this same catalogue, and this is %q; give --mirror-name "+
			"%[2]s, "+
			"or say once with `css-sync mirror --once --adopt` that the name has changed", ErrIdentity, s.Mirror, by.name)
	}
	return fmt.Errorf("%w: kvData is the mirror %q of %s, and this is the mirror %q of %s; "+
		"if the table is to show this one, say so once with `css-sync mirror --once --adopt`",
		ErrIdentity, s.Mirror, describe(s.Identity), by.name, describe(by.identity))
}

func describe(id cssetcd.Identity) string {
	return fmt.Sprintf("the prefix %s, history %q, in the etcd cluster %x", id.Prefix, id.History, id.Cluster)
}
