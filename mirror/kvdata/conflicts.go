package kvdata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/inbox"
)

// MaxConflicts is how many conflicts are kept: the newest.
const MaxConflicts = 10_000

// ErrNoConflict says that no conflict of that number is recorded.
var ErrNoConflict = errors.New("there is no such conflict")

// ConflictRecord is a conflict as css_mirror_conflicts has it. Of values that do not fit into half a statement it has
// the beginning.
type ConflictRecord struct {
	ID   int64     // by which people name it; what it was in the inbox is Row.ID
	Seen time.Time // when it was recorded, by the server's clock
	inbox.Conflict
}

// MayBeCut reports whether a value as long as this may be the beginning of a longer one. What is cut has as many bytes
// as a part of what a server takes, which is a multiple of 1,024.
func MayBeCut(value string) bool {
	return len(value) >= statementBytes(leastPacket)/2 && len(value)%(1024/8) == 0
}

const conflictColumns = "kind, reason, detail, inbox_id, conn, kv_id, parent, css_key, before_value, after_value, " +
	"etcd_value, revision, writer, written"

// conflicts records what etcd did not take.
func (w writer) conflicts(list []inbox.Conflict) error {
	if len(list) == 0 {
		return nil
	}
	size := func(c inbox.Conflict) int {
		return len(c.Key) + len(c.Before.Text) + len(c.After.Text) + len(c.Etcd.Text) + len(c.Detail)
	}
	for part := range batches(list[max(0, len(list)-MaxConflicts):], w.maxBytes, size) {
		args := make([]any, 0, 14*len(part))
		for _, c := range part {
			args = append(args, []byte(c.Kind), []byte(c.Reason), []byte(c.Detail), c.ID, c.Conn, c.KvID,
				sql.NullInt32{Int32: c.Parent, Valid: c.Parent != 0}, []byte(c.Key), w.text(!c.Before.There, c.Before.Text),
				w.text(!c.After.There, c.After.Text), w.text(!c.Etcd.There, c.Etcd.Text), c.Revision, []byte(c.Writer),
				sql.NullTime{Time: c.At, Valid: !c.At.IsZero()})
		}
		query := "INSERT INTO css_mirror_conflicts (seen, " + conflictColumns + ") VALUES " +
			placeholders("(UTC_TIMESTAMP(6),?,?,?,?,?,?,?,?,?,?,?,?,?,?)", len(part))
		if _, err := w.tx.ExecContext(w.ctx, query, args...); err != nil {
			return fmt.Errorf("write css_mirror_conflicts: %w", err)
		}
	}
	_, err := w.tx.ExecContext(w.ctx, `DELETE FROM css_mirror_conflicts WHERE id <
		(SELECT id FROM (SELECT id FROM css_mirror_conflicts c ORDER BY id DESC LIMIT 1 OFFSET ?) AS oldest)`, MaxConflicts-1)
	if err != nil {
		return fmt.Errorf("shorten css_mirror_conflicts: %w", err)
	}
	return nil
}

// ReadConflicts returns what css_mirror_conflicts records, the newest first, at most limit of it; 0 is no limit. Total
// is how much there is. Where no mirror has made the table there is nothing. It fails with [ErrUnavailable] or
// [ErrUnauthorized].
func ReadConflicts(ctx context.Context, target *mysql.Config, limit int) (list []ConflictRecord, total int, err error) {
	suffix := "ORDER BY id DESC"
	if limit > 0 {
		suffix += fmt.Sprintf(" LIMIT %d", limit)
	}
	err = conflictsOf(ctx, target, func(c *connection) error {
		return c.consistently(ctx, func(q querier) (err error) {
			if err = q.QueryRowContext(ctx, "SELECT COUNT(*) FROM css_mirror_conflicts").Scan(&total); err == nil {
				list, err = queryConflicts(ctx, q, suffix)
			}
			return err
		})
	})
	return list, total, err
}

// ReadConflict returns one conflict by its number. It fails as [ReadConflicts] does, and with [ErrNoConflict].
func ReadConflict(ctx context.Context, target *mysql.Config, id int64) (ConflictRecord, error) {
	var list []ConflictRecord
	err := conflictsOf(ctx, target, func(c *connection) (err error) {
		list, err = queryConflicts(ctx, c, "WHERE id = ?", id)
		return err
	})
	switch {
	case err != nil:
		return ConflictRecord{}, err
	case len(list) == 0:
		return ConflictRecord{}, fmt.Errorf("%w: %d", ErrNoConflict, id)
	}
	return list[0], nil
}

// DropConflicts removes conflicts by their numbers, all or, with an error, none, and returns how many were there. It
// fails as [ReadConflicts] does.
func DropConflicts(ctx context.Context, target *mysql.Config, ids ...int64) (dropped int, err error) {
	err = conflictsOf(ctx, target, func(c *connection) error {
		tx, err := c.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // nothing after a commit
		for part := range batches(ids, maxRowsPerStatement, func(int64) int { return 0 }) {
			result, err := tx.ExecContext(ctx, "DELETE FROM css_mirror_conflicts WHERE id IN ("+
				placeholders("?", len(part))+")", anys(part)...)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			dropped += int(n)
		}
		return tx.Commit()
	})
	if err != nil {
		return 0, err
	}
	return dropped, nil
}

// conflictsOf does something with the table of the conflicts, and nothing where there is none.
func conflictsOf(ctx context.Context, target *mysql.Config, do func(*connection) error) error {
	return reading(ctx, target, func(c *connection) error {
		err := do(c)
		switch {
		case mysqlconn.NoSuchTable(err):
			return nil
		case err != nil:
			return fmt.Errorf("css_mirror_conflicts: %w", err)
		}
		return nil
	})
}

func queryConflicts(ctx context.Context, q querier, suffix string, args ...any) (list []ConflictRecord, err error) {
	query := strings.Join([]string{"SELECT id, seen,", conflictColumns, "FROM css_mirror_conflicts", suffix}, " ")
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c ConflictRecord
		var r nullRow
		var id int64
		var etcd sql.NullString
		if err := rows.Scan(&c.ID, &c.Seen, &c.Kind, &c.Reason, &c.Detail, &id, &r.conn, &r.kvID, &r.parent, &r.key,
			&r.before, &r.after, &etcd, &c.Revision, &r.writer, &r.at); err != nil {
			return nil, err
		}
		c.Row, c.Etcd = r.row(id), valueOf(etcd)
		list = append(list, c)
	}
	return list, rows.Err()
}
