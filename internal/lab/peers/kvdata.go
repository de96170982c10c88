package peers

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// Row is one row of kvData.
type Row struct {
	ID, parent int32 // parent 0 stands for NULL
	Key, value string
}

// Rows returns the rows that show a catalogue, parents first, with ids from 1 on.
func Rows(d *cssetcd.Dump) []Row {
	rows := make([]Row, 0, d.Len()+1)
	ids := make(map[string]int32, d.Len()+1)
	add := func(key, value string) {
		row := Row{ID: int32(len(rows) + 1), Key: key, value: value}
		if key != "" {
			row.parent = ids[key[:strings.LastIndexByte(key, '/')]]
		}
		ids[key] = row.ID
		rows = append(rows, row)
	}
	add("", "")
	for _, key := range d.Keys() { // in byte order, so parents come first
		value, _ := d.Value(key)
		add(key, value)
	}
	return rows
}

// InsertBatch is the number of rows in a statement at which plain inserting is fastest; from 500 to 10,000 it makes
// little difference.
const InsertBatch = 1000

// InsertAll inserts rows in one transaction, many in a statement: the plainest fast way there is.
func InsertAll(ctx context.Context, db *sql.DB, rows []Row, batch int) error {
	return InsertThen(ctx, db, rows, batch, func(commit func() error) error { return commit() })
}

// InsertThen is InsertAll, whose transaction end commits.
func InsertThen(ctx context.Context, db *sql.DB, rows []Row, batch int, end func(commit func() error) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}) // as the mirror's
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	query, args := "", make([]any, 0, 4*batch)
	for len(rows) > 0 {
		n := min(batch, len(rows))
		if n < batch || query == "" {
			query = "INSERT INTO kvData (kvId, kvKey, kvVal, parentKvId) VALUES (?,?,?,?)" + strings.Repeat(",(?,?,?,?)", n-1)
		}
		args = args[:0]
		for _, row := range rows[:n] {
			args = append(args, row.ID, row.Key, row.value, sql.NullInt32{Int32: row.parent, Valid: row.parent != 0})
		}
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return end(tx.Commit)
}

// ForeignPrefix is what all keys of [Foreign] begin with in a round.
func ForeignPrefix(round int) string { return fmt.Sprintf("/DBS/r%04d_", round) }

// Foreign returns the rows of databases anew, with other names and ids in each round, for a table that has a row /DBS.
func Foreign(ctx context.Context, db *sql.DB, rows []Row, round int) ([]Row, error) {
	var above int32
	if err := db.QueryRowContext(ctx, "SELECT kvId FROM kvData WHERE kvKey = '/DBS'").Scan(&above); err != nil {
		return nil, fmt.Errorf("look for the row /DBS: %w", err)
	}
	offset := int32(round) * 10_000_000
	var all []Row
	for _, row := range rows {
		rest, ok := strings.CutPrefix(row.Key, "/DBS/large_")
		if !ok {
			continue
		}
		row.Key = ForeignPrefix(round) + rest
		row.ID += offset
		if row.parent += offset; strings.Count(row.Key, "/") == 2 {
			row.parent = above
		}
		all = append(all, row)
	}
	return all, nil
}

// CopyTable creates in the peer's database a table that is made as ours is.
func CopyTable(ctx context.Context, db *sql.DB, table string) error {
	var name, create string
	if err := db.QueryRowContext(ctx, "SHOW CREATE TABLE "+rig.OursDB+"."+table).Scan(&name, &create); err != nil {
		return fmt.Errorf("look at our table %s: %w", table, err)
	}
	create = strings.Replace(create, "CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)
	if _, err := db.ExecContext(ctx, create); err != nil {
		return fmt.Errorf("create the peer's table %s: %w", table, err)
	}
	return nil
}

// Empty empties all tables of a database, which need not exist.
func Empty(ctx context.Context, db *sql.DB, database string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var tables []string
	err = queryAll(ctx, conn, func(table string) { tables = append(tables, table) },
		"SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?", database)
	if err != nil {
		return fmt.Errorf("list the tables of %s: %w", database, err)
	}
	statements := []string{"SET foreign_key_checks = 0"}
	for _, table := range tables {
		statements = append(statements, "TRUNCATE TABLE "+database+"."+table)
	}
	for _, statement := range append(statements, "SET foreign_key_checks = 1") {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// queryAll calls f with the only column of each row.
func queryAll[T any](ctx context.Context, conn *sql.Conn, f func(T), query string, args ...any) error {
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var value T
		if err := rows.Scan(&value); err != nil {
			return err
		}
		f(value)
	}
	return rows.Err()
}

// fingerprint tells whether two tables kvData show the same keys and values below the same parents.
type fingerprint struct {
	rows, orphans int
	sum           uint64
}

func (f fingerprint) String() string {
	return fmt.Sprintf("%d rows, %d of them at the top, with the check sum %x", f.rows, f.orphans, f.sum)
}

func fingerprintOf(ctx context.Context, db *sql.DB, database string) (f fingerprint, err error) {
	err = db.QueryRowContext(ctx, `SELECT COUNT(*), SUM(c.parentKvId IS NULL),
		COALESCE(SUM(CRC32(CONCAT(c.kvKey, 0x00, c.kvVal, 0x00, COALESCE(p.kvKey, '')))), 0)
		FROM `+database+".kvData AS c LEFT JOIN "+database+".kvData AS p ON p.kvId = c.parentKvId").Scan(&f.rows, &f.orphans, &f.sum)
	return f, err
}

// CompareTables fails unless both sides made the same table.
func CompareTables(ctx context.Context, db *sql.DB) error {
	ours, err := fingerprintOf(ctx, db, rig.OursDB)
	if err != nil {
		return err
	}
	theirs, err := fingerprintOf(ctx, db, rig.PeerDB)
	if err != nil {
		return err
	}
	if ours != theirs {
		return fmt.Errorf("the two sides did different work: our kvData has %v, the peer's %v", ours, theirs)
	}
	return nil
}

// AwaitValue waits until a query for a key has a value as its answer.
func AwaitValue(ctx context.Context, conn *sql.Conn, query, key, want string) error {
	for {
		var have string
		if err := conn.QueryRowContext(ctx, query, key).Scan(&have); err != nil || have == want {
			return err
		}
	}
}

// LongestFirst returns the rows so that each comes before the row above it.
func LongestFirst(rows []Row) []Row {
	return slices.SortedFunc(slices.Values(rows), func(a, b Row) int { return len(b.Key) - len(a.Key) })
}

// InTransaction executes statements over a list of arguments in one transaction, at most batch of them in each.
func InTransaction(ctx context.Context, db *sql.DB, args []any, batch int, statement func(args int) string) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}) // as the mirror's
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	for part := range slices.Chunk(args, batch) {
		if _, err := tx.ExecContext(ctx, statement(len(part)), part...); err != nil {
			return err
		}
	}
	return tx.Commit()
}
