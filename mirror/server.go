package mirror

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

// look is what a glance at the server shows: it costs one statement, whatever the table's size.
type look struct {
	server  string // which server it is
	term    int64
	applied cssetcd.Revision
	digest  sql.Null[uint64] // that the state row has
}

// glance looks. It fails when kvData cannot be read any more.
func glance(ctx context.Context, q querier) (l look, err error) {
	err = q.QueryRowContext(ctx, `SELECT CONCAT(@@hostname, ':', @@port, ' with server_id ', @@server_id), term, applied, digest
		FROM css_mirror_state WHERE id = 1 AND (SELECT COUNT(*) FROM (SELECT 1 FROM kvData LIMIT 1) AS one) >= 0`).Scan(
		&l.server, &l.term, &l.applied, &l.digest)
	if err != nil {
		return l, fmt.Errorf("look at the server: %w", err)
	}
	return l, nil
}

// survey is what reading all rows on the server shows, in one consistent read with a look: the number of rows and their
// digest.
type survey struct {
	look
	rows   int
	digest uint64
}

// surveyRows is how many rows one statement of a survey reads, so that none takes long.
const surveyRows = 100_000

// measure surveys the table.
func (c *connection) measure(ctx context.Context) (s survey, err error) {
	tx, err := c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return s, err
	}
	defer tx.Rollback() // it reads only
	if s.look, err = glance(ctx, tx); err != nil {
		return s, err
	}
	s.rows, s.digest, err = digest(ctx, tx)
	return s, err
}

// digest reads all rows of kvData, a part of them at a time.
func digest(ctx context.Context, q querier) (rows int, digest uint64, err error) {
	const next = "SELECT COALESCE((SELECT kvId FROM kvData WHERE kvId > ? ORDER BY kvId LIMIT 1 OFFSET ?), 2147483647)"
	const part = "SELECT COUNT(*), BIT_XOR(" + plan.RowHash + ") FROM kvData WHERE kvId > ? AND kvId <= ?"
	for after := int64(-1 << 31); after < 1<<31-1; {
		var last int64
		if err := q.QueryRowContext(ctx, next, after, surveyRows-1).Scan(&last); err != nil {
			return 0, 0, fmt.Errorf("read kvData: %w", err)
		}
		var n int
		var d uint64
		if err := q.QueryRowContext(ctx, part, after, last).Scan(&n, &d); err != nil {
			return 0, 0, fmt.Errorf("read kvData: %w", err)
		}
		rows, digest, after = rows+n, digest^d, last
	}
	return rows, digest, nil
}
