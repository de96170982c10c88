package kvdata

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/plan"
)

// mostExpected bounds the room that is made for rows because css_mirror_state says how many there are.
const mostExpected = 4 << 20

// loadRows reads all rows of kvData in one statement, which sees one state of it. There are expected to be so many.
func loadRows(ctx context.Context, q querier, columns *plan.Columns, expected int) (*plan.Table, error) {
	rows, err := q.QueryContext(ctx, "SELECT kvId, kvKey, kvVal, parentKvId FROM kvData")
	if err != nil {
		return nil, fmt.Errorf("read kvData: %w", err)
	}
	defer rows.Close()
	table := plan.NewTable(columns)
	table.Expect(min(max(expected, 0), mostExpected))
	var both []byte // key and value, which are one allocation
	for rows.Next() {
		var id int32
		var key, value sql.RawBytes
		var parent sql.NullInt32
		if err := rows.Scan(&id, &key, &value, &parent); err != nil {
			return nil, fmt.Errorf("read kvData: %w", err)
		}
		both = append(append(both[:0], key...), value...)
		text := string(both)
		if err := table.Add(plan.Row{ID: id, Parent: parent.Int32, Key: text[:len(key)],
			Value: text[len(key):]}); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotKvData, err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read kvData: %w", err)
	}
	return table, nil
}

// loadTable reads kvData, and refuses one that is not made for it with ErrNotKvData. It is expected to have so many
// rows.
func loadTable(ctx context.Context, q querier, database string, expected int) (*plan.Table, error) {
	columns, err := readColumns(ctx, q, database)
	if err != nil {
		return nil, err
	}
	return loadRows(ctx, q, columns, expected)
}

// ReadTable returns the state that a mirror left, all rows of kvData, and what was captured of others' writes and is in
// the inbox, in one consistent read. It fails as [ReadState] does, and with [ErrNotKvData].
func ReadTable(ctx context.Context, target *mysql.Config) (s State, table *plan.Table, captured []inbox.Row,
	err error) {
	err = reading(ctx, target, func(c *connection) error {
		return c.consistently(ctx, func(q querier) (err error) {
			if s, err = readState(ctx, q, target.DBName, ""); err != nil {
				return err
			}
			if table, err = loadTable(ctx, q, target.DBName, s.Rows); err != nil {
				return err
			}
			there, err := hasTable(ctx, q, inboxTable)
			if err != nil || !there {
				return err
			}
			in, err := readInbox(ctx, q)
			captured = in.Rows
			return err
		})
	})
	return s, table, captured, err
}
