package kvdata

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/go-sql-driver/mysql"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Inbox is what css_mirror_inbox holds, and the state beside it, at one moment.
type Inbox struct {
	Term    int64            // of the last take-over, by whichever mirror
	Applied cssetcd.Revision // that kvData shows
	Rows    []inbox.Row      // of transactions that have committed, in the order of their ids
}

// Inbox reads the inbox, in one statement that locks nothing and that costs next to nothing while it is empty. It fails
// with [ErrDrift] where there is none.
func (c *Conn) Inbox(ctx context.Context) (Inbox, error) {
	in, err := readInbox(ctx, c.conn)
	return in, c.explain(err)
}

// ReadInbox reads the inbox at a target. Where nothing is captured it is empty. It fails as [ReadState] does.
func ReadInbox(ctx context.Context, target *mysql.Config) (in Inbox, err error) {
	err = reading(ctx, target, func(c *connection) (err error) {
		there, err := hasTable(ctx, c, inboxTable)
		if err == nil && there {
			in, err = readInbox(ctx, c)
		}
		return err
	})
	return in, err
}

// Everything reads the inbox, all rows of kvData, about as many as expected, and the records of css_mirror_quarantine,
// as they were at one moment.
func (c *Conn) Everything(ctx context.Context, expected int) (in Inbox, table *plan.Table, records Records, err error) {
	err = c.conn.consistently(ctx, func(q querier) (err error) {
		if in, err = readInbox(ctx, q); err != nil {
			return err
		}
		if table, err = loadRows(ctx, q, c.columns, expected); err != nil {
			return err
		}
		records, err = loadRecords(ctx, q)
		return err
	})
	if err != nil {
		return Inbox{}, nil, nil, c.explain(err)
	}
	return in, table, records, nil
}

func readInbox(ctx context.Context, q querier) (in Inbox, err error) {
	rows, err := q.QueryContext(ctx, `SELECT term, applied, i.id, conn, kv_id, parent, css_key, before_value, after_value,
		writer, written FROM css_mirror_state s LEFT JOIN css_mirror_inbox i ON TRUE WHERE s.id = 1`)
	if err != nil {
		return in, missingInbox(err)
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		found = true
		var id sql.NullInt64
		var r nullRow
		if err := rows.Scan(&in.Term, &in.Applied, &id, &r.conn, &r.kvID, &r.parent, &r.key, &r.before, &r.after, &r.writer,
			&r.at); err != nil {
			return Inbox{}, missingInbox(err)
		}
		if id.Valid {
			in.Rows = append(in.Rows, r.row(id.Int64))
		}
	}
	if err := rows.Err(); err != nil {
		return Inbox{}, missingInbox(err)
	}
	if !found {
		return Inbox{}, fmt.Errorf("%w: the table css_mirror_state is empty", ErrDrift)
	}
	slices.SortFunc(in.Rows, func(a, b inbox.Row) int { return cmp.Compare(a.ID, b.ID) })
	return in, nil
}

// nullRow is a row of the inbox that may not be there.
type nullRow struct {
	conn          sql.NullInt64
	kvID, parent  sql.NullInt32
	key           []byte
	before, after sql.NullString
	writer        sql.NullString
	at            sql.NullTime
}

func (r nullRow) row(id int64) inbox.Row {
	return inbox.Row{
		ID: id, Conn: r.conn.Int64, KvID: r.kvID.Int32, Parent: r.parent.Int32, Key: string(r.key),
		Before: valueOf(r.before), After: valueOf(r.after), Writer: r.writer.String, At: r.at.Time,
	}
}

func valueOf(s sql.NullString) inbox.Value { return inbox.Value{There: s.Valid, Text: s.String} }
