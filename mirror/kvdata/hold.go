package kvdata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Hold keeps everybody else from kvData and the mirror's tables until [Conn.Release]: nobody can be in a step's way
// then. What others do meanwhile waits, and goes on afterwards. Hold itself waits for nobody, so that nobody is ended
// for it: it fails with [ErrBusy] while any transaction is open that has used the table. Of the methods, those that
// read and write for a step may be called meanwhile: Inbox, ReserveIDs and Apply.
func (c *Conn) Hold(ctx context.Context) error {
	if _, err := c.conn.ExecContext(ctx, "SET autocommit = 0"); err != nil { // BEGIN would let go of the tables
		return c.explain(fmt.Errorf("hold kvData: %w", err))
	}
	c.conn.held = true
	err := c.conn.lockTables(ctx, `kvData WRITE, css_mirror_quarantine WRITE,
		css_mirror_state WRITE, css_mirror_state AS s WRITE, css_mirror_inbox WRITE, css_mirror_inbox AS i WRITE,
		css_mirror_conflicts WRITE, css_mirror_conflicts AS c WRITE, css_mirror_foreign WRITE, css_mirror_foreign AS f WRITE`)
	if err != nil {
		return errors.Join(c.explain(fmt.Errorf("hold kvData: %w", err)), c.Release(ctx))
	}
	return nil
}

// lockTables locks tables, and fails at once where it would have to wait for somebody.
func (c *connection) lockTables(ctx context.Context, tables string) error {
	_, err := c.ExecContext(ctx, "LOCK TABLES "+tables+" NOWAIT")
	return err
}

// Release ends what [Conn.Hold] began, whatever has become of the context. Where it fails the connection is of no more
// use.
func (c *Conn) Release(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx) // the connection has time-outs of its own
	// UNLOCK TABLES alone would commit.
	for _, statement := range []string{"ROLLBACK", "UNLOCK TABLES", "SET autocommit = 1"} {
		if _, err := c.conn.ExecContext(ctx, statement); err != nil {
			return c.explain(fmt.Errorf("let go of kvData: %w", err))
		}
	}
	c.conn.held = false
	return nil
}

// transaction is one of MySQL.
type transaction interface {
	querier
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	Commit() error
	Rollback() error // does nothing after Commit
}

// begin begins a transaction.
func (c *connection) begin(ctx context.Context) (transaction, error) {
	if c.held {
		return &heldTransaction{connection: c, ctx: ctx}, nil
	}
	return c.BeginTx(ctx, nil)
}

// heldTransaction is a transaction while the tables are held.
type heldTransaction struct {
	*connection
	ctx   context.Context
	ended bool
}

func (t *heldTransaction) Commit() error {
	_, err := t.ExecContext(t.ctx, "COMMIT")
	t.ended = err == nil
	return err
}

func (t *heldTransaction) Rollback() error {
	if t.ended {
		return nil
	}
	t.ended = true
	_, err := t.ExecContext(context.WithoutCancel(t.ctx), "ROLLBACK")
	return err
}
