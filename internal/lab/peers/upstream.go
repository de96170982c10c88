package peers

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Upstream sends to MySQL what Qserv's own C++ sends, statement by statement: it was observed in the server's log.
// Before each statement, and before each text that it escapes, it asks the server whether the connection lives: a ping.
//
// It uses the driver's connection without the pool's book-keeping around it, so that little but the statements is
// measured.
type Upstream struct {
	conn              driverConn
	Statements, Pings int
}

type driverConn interface {
	driver.Pinger
	driver.ExecerContext
	driver.QueryerContext
}

// WithUpstream runs f on a connection of its own. F must not wait for anything but the server.
func WithUpstream(ctx context.Context, db *sql.DB, f func(*Upstream) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) error {
		c, ok := raw.(driverConn)
		if !ok {
			return fmt.Errorf("the driver's connection is a %T, which cannot ping, execute and query", raw)
		}
		return f(&Upstream{conn: c})
	})
}

// Drop deletes a key with all below it in one transaction. For each row these are two SELECT and a DELETE, and five
// pings; the begin and the end of the transaction are a statement and a ping each.
func (u *Upstream) Drop(ctx context.Context, key string) error {
	if err := u.exec(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	if err := u.deleteTree(ctx, key); err != nil {
		return err
	}
	return u.exec(ctx, "COMMIT")
}

func (u *Upstream) deleteTree(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ids, err := u.queryKey(ctx, "SELECT kvId FROM kvData WHERE kvKey = ?", key)
	if err != nil {
		return err
	}
	if len(ids) != 1 {
		return fmt.Errorf("%d rows have the key %s", len(ids), key)
	}
	children, err := u.query(ctx, "SELECT kvKey FROM kvData WHERE parentKvId = ?", ids[0])
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := u.deleteTree(ctx, text(child)); err != nil {
			return err
		}
	}
	if err := u.ping(ctx); err != nil { // for the text
		return err
	}
	return u.exec(ctx, "DELETE FROM kvData WHERE kvKey = ?", key)
}

// text returns a value as the text protocol gives it.
func text(v driver.Value) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

func (u *Upstream) ping(ctx context.Context) error {
	u.Pings++
	// A context that can be cancelled costs the driver more than the statement does.
	return u.conn.Ping(context.WithoutCancel(ctx))
}

func (u *Upstream) exec(ctx context.Context, query string, args ...driver.Value) error {
	if err := u.ping(ctx); err != nil {
		return err
	}
	u.Statements++
	_, err := u.conn.ExecContext(context.WithoutCancel(ctx), query, named(args))
	return err
}

// queryKey is query with a text to escape.
func (u *Upstream) queryKey(ctx context.Context, query, key string) ([]driver.Value, error) {
	if err := u.ping(ctx); err != nil {
		return nil, err
	}
	return u.query(ctx, query, key)
}

// query returns the only column of all rows.
func (u *Upstream) query(ctx context.Context, query string, args ...driver.Value) (values []driver.Value, err error) {
	err = u.rows(ctx, 1, func(row []driver.Value) { values = append(values, row[0]) }, query, args...)
	return values, err
}

// rows passes all rows on, each of some columns.
func (u *Upstream) rows(ctx context.Context, columns int, each func([]driver.Value), query string,
	args ...driver.Value) (err error) {
	if err := u.ping(ctx); err != nil {
		return err
	}
	u.Statements++
	rows, err := u.conn.QueryContext(context.WithoutCancel(ctx), query, named(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for row := make([]driver.Value, columns); ; {
		if err := rows.Next(row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for i := range row {
			if b, ok := row[i].([]byte); ok {
				row[i] = string(b) // the driver uses its buffer again
			}
		}
		each(row)
	}
}

// tableParamsKeys are what upstream's getTableParams asks for below the key of a table. It asks for packed keys beside
// them, and for one name that nothing writes: upstream misspells it.
var tableParamsKeys = []string{
	"partitioning/subChunks", "partitioning/dirDb", "partitioning/dirTable", "partitioning/dirColName",
	"partitioning/latColName",
	"partitioning/lonColName", "partitioning/overlap", "partitioning/secIndexColName", "sharedScann/lockInMem",
	"sharedScan/scanRating",
	"match/dirTable1", "match/dirColName1", "match/dirTable2", "match/dirColName2", "match/flagColName", "match/angSep",
	"partitioning",
	".packed.json", "match/.packed.json", "partitioning/.packed.json", "sharedScan/.packed.json",
	"sharedScann/.packed.json",
}

var tableParamsQuery = "SELECT kvKey, kvVal FROM kvData WHERE kvKey IN (?" +
	strings.Repeat(",?", len(tableParamsKeys)-1) + ")"

// TableParams reads what upstream's getTableParams reads: one SELECT in a transaction, and a ping for each key of it.
// It returns the keys that are there, and their values.
func (u *Upstream) TableParams(ctx context.Context, db, table string) (map[string]string, error) {
	if err := u.exec(ctx, "START TRANSACTION"); err != nil {
		return nil, err
	}
	keys := make([]driver.Value, len(tableParamsKeys))
	for i, key := range tableParamsKeys {
		if err := u.ping(ctx); err != nil { // for the text
			return nil, err
		}
		keys[i] = "/DBS/" + db + "/TABLES/" + table + "/" + key
	}
	have := map[string]string{}
	err := u.rows(ctx, 2, func(row []driver.Value) { have[text(row[0])] = text(row[1]) }, tableParamsQuery, keys...)
	if err != nil {
		return nil, err
	}
	return have, u.exec(ctx, "COMMIT")
}

func named(args []driver.Value) []driver.NamedValue {
	all := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		all[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return all
}
