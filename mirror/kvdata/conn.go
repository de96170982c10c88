package kvdata

import (
	"context"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/mirror/plan"
)

// Conn is a connection over which a mirror writes. It is never replaced silently by another.
type Conn struct {
	conn     *connection
	columns  *plan.Columns
	shape    string // of the columns, see [Conn.Altered]
	maxBytes int    // of the keys and values of one statement
}

// Open connects to a target, and creates the database and the tables where they are missing. It fails with
// [ErrUnauthorized], [ErrPacket] or [ErrNotKvData] when a mirror could not write there. The timeout is for how long a
// server that says nothing is waited for, and for how long it keeps what a mirror that says nothing has locked.
func Open(ctx context.Context, target *mysql.Config, timeout time.Duration) (*Conn, error) {
	conn, err := connectOrCreate(ctx, target, timeout)
	if err != nil {
		return nil, err
	}
	c := &Conn{conn: conn}
	if err := c.prepare(ctx); err != nil {
		c.Close()
		return nil, c.explain(err)
	}
	return c, nil
}

func (c *Conn) prepare(ctx context.Context) error {
	if err := c.conn.ensureTables(ctx); err != nil {
		return err
	}
	if err := c.conn.checkPrivileges(ctx, append([]string{"kvData"}, own...)...); err != nil {
		return err
	}
	packet, err := c.conn.sufficientPacket(ctx)
	if err != nil {
		return err
	}
	c.maxBytes = statementBytes(packet)
	if c.shape, err = c.conn.shape(ctx, c.conn); err != nil {
		return err
	}
	c.columns, err = readColumns(ctx, c.conn, c.conn.target.DBName)
	return err
}

// Altered reports whether a survey found other columns than this connection did.
func (c *Conn) Altered(s Survey) bool { return c.shape != s.shape }

// Close ends the connection.
func (c *Conn) Close() { c.conn.Close() }

func (c *Conn) explain(err error) error { return explain(c.conn.target, err) }

// Look looks at the server. It costs one statement, whatever the size of the table.
func (c *Conn) Look(ctx context.Context) (Look, error) {
	l, err := c.conn.look(ctx, c.conn)
	return l, c.explain(err)
}

// Table reads all rows of kvData. There are expected to be so many.
func (c *Conn) Table(ctx context.Context, expected int) (*plan.Table, error) {
	table, err := loadRows(ctx, c.conn, c.columns, expected)
	return table, c.explain(err)
}

// Quarantine reads the records of css_mirror_quarantine.
func (c *Conn) Quarantine(ctx context.Context) (Records, error) {
	records, err := loadRecords(ctx, c.conn)
	return records, c.explain(err)
}

// LastID returns an id above which no row has one, but for those of transactions under way.
func (c *Conn) LastID(ctx context.Context) (last int64, err error) {
	if err := c.conn.QueryRowContext(ctx, `SELECT GREATEST(COALESCE((SELECT MAX(kvId) FROM kvData), 0), COALESCE((SELECT
		AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData'), 0))`,
	).Scan(&last); err != nil {
		return 0, c.explain(fmt.Errorf("look for free ids: %w", err))
	}
	return last, nil
}
