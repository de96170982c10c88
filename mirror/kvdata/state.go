package kvdata

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

// stateFormat is the format of the mirror's own tables that this package writes. Since 3 the digest is made of
// package plan's Row.Hash; what earlier formats have is of no use.
const stateFormat = 3

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
func ReadState(ctx context.Context, target *mysql.Config) (s State, err error) {
	err = reading(ctx, target, func(c *connection) error {
		s, err = readState(ctx, c, target.DBName, "")
		return err
	})
	return s, err
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
	if digest.Valid && s.Format >= 3 {
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
