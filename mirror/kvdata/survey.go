package kvdata

import (
	"context"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Survey is what reading all rows on the server shows, in one consistent read with a look.
type Survey struct {
	Look
	// of the rows, as they are, but for what was captured of others' writes
	Rows      int
	RowDigest uint64
	shape     string // of the columns
}

// ReadSurvey surveys the table where the address of a target leads now. It fails with [ErrDrift] where there is no
// table of a mirror.
func ReadSurvey(ctx context.Context, target *mysql.Config, timeout time.Duration) (s Survey, err error) {
	c, err := connect(ctx, target, timeout)
	if err == nil {
		defer c.Close()
		err = explain(target, c.consistently(ctx, func(q querier) (err error) {
			if s.Look, err = c.look(ctx, q); err != nil {
				return err
			}
			if s.shape, err = c.shape(ctx, q); err != nil {
				return err
			}
			if s.Rows, s.RowDigest, err = digest(ctx, q); err != nil {
				return err
			}
			return c.withoutCaptured(ctx, q, &s)
		}))
	}
	if mysqlconn.NoSuchTable(err) {
		err = fmt.Errorf("%w: where its address leads there is no table of a mirror: %w", ErrDrift, err)
	}
	return s, err
}

// withoutCaptured takes out of a survey what the inbox says that others wrote.
func (c *connection) withoutCaptured(ctx context.Context, q querier, s *Survey) error {
	if there, err := hasTable(ctx, q, inboxTable); err != nil || !there {
		return err
	}
	in, err := readInbox(ctx, q)
	if err != nil {
		return err
	}
	for _, r := range in.Rows {
		if r.After.There {
			s.Rows, s.RowDigest = s.Rows-1, s.RowDigest^holding(r, r.After).Hash()
		}
		if r.Before.There {
			s.Rows, s.RowDigest = s.Rows+1, s.RowDigest^holding(r, r.Before).Hash()
		}
	}
	return nil
}

// surveyRows is how many rows one statement of a survey reads, so that none takes long.
const surveyRows = 100_000

// digest reads all rows of kvData, a part of them at a time.
func digest(ctx context.Context, q querier) (rows int, digest uint64, err error) {
	const next = "SELECT COALESCE((SELECT kvId FROM kvData WHERE kvId > ? ORDER BY kvId LIMIT 1 OFFSET ?), 2147483647)"
	const part = "SELECT COUNT(*), BIT_XOR(" + plan.RowHash + ") FROM kvData WHERE kvId > ? AND kvId <= ?"
	for after := int64(-1<<31 - 1); after < 1<<31-1; {
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
