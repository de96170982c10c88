package kvdata

import (
	"context"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/mirror/plan"
)

// ReadColumns returns what a server says of its kvData.
func ReadColumns(ctx context.Context, target *mysql.Config) (columns *plan.Columns, err error) {
	err = reading(ctx, target, func(c *connection) error {
		columns, err = readColumns(ctx, c, target.DBName)
		return err
	})
	return columns, err
}

// SessionVariable returns a variable of the sessions in which the mirror writes.
func SessionVariable(ctx context.Context, target *mysql.Config, name string) (value string, err error) {
	err = reading(ctx, target, func(c *connection) error {
		return c.QueryRowContext(ctx, "SELECT @@SESSION."+name).Scan(&value)
	})
	return value, err
}

// HoldState locks the state as a step does, and then does nothing more.
func (c *Conn) HoldState(ctx context.Context) (release func(), err error) {
	tx, err := c.conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, "UPDATE css_mirror_state SET owner = owner WHERE id = 1")
	return func() { _ = tx.Rollback() }, err
}

// HoldEmptied takes rows out of the inbox as a step does, and then does nothing more.
func (c *Conn) HoldEmptied(ctx context.Context, ids []int64) (release func(), err error) {
	tx, err := c.conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	w := writer{ctx: ctx, tx: tx, maxBytes: c.maxBytes}
	err = w.inbox(Step{Plan: &plan.Plan{}, Inbox: &InboxStep{Known: ids}}, c.columns)
	return func() { _ = tx.Rollback() }, err
}

// Explain gives an error of the driver its meaning.
func Explain(target *mysql.Config, err error) error { return explain(target, err) }

// WriteWithin executes a statement in a transaction whose context ends before it does.
func (c *Conn) WriteWithin(ctx context.Context, statement string, cancel context.CancelFunc) error {
	tx, err := c.conn.begin(ctx)
	if err == nil {
		_, err = tx.ExecContext(ctx, statement)
	}
	cancel()
	if failed := tx.Commit(); err == nil {
		err = failed
	}
	return err
}
