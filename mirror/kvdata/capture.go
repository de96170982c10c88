package kvdata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/internal/wait"
)

// What installing and removing wait for. They never queue for kvData: who has read it in a transaction and now writes
// to it would wait for whoever queues, who waits for that transaction, and the server would end the writer as the
// victim of a deadlock.
const (
	lockPauses   = time.Millisecond
	quietTimeout = 30 * time.Second // no statement of an installation takes nearly as long
)

// InstallCapture makes the tables and triggers by which what others write into kvData is captured, and whatever else
// [Open] makes. What is there already stays; what another version made, or another user, is replaced, and no write of
// others goes unlogged meanwhile. It needs a moment in which nobody has used kvData in a transaction that is still
// open. It tries again until ctx ends, and is [ErrBusy] then. It fails with [ErrUnauthorized] and names what is
// missing, and with [ErrDrift] where one of its tables is something else. Drops are not refused at first.
func InstallCapture(ctx context.Context, target *mysql.Config, timeout time.Duration) error {
	c, err := Open(ctx, target, max(timeout, quietTimeout))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.explain(c.conn.install(ctx))
}

func (c *connection) install(ctx context.Context) error {
	if err := c.ensureCaptureTables(ctx); err != nil {
		return err
	}
	if err := c.checkPrivileges(ctx, captureTables...); err != nil {
		return err
	}
	is, err := c.capture(ctx, c)
	if err != nil || is.Installed && !is.Unseen && len(is.Faults) == 0 {
		return err
	}
	return c.alone(ctx, "kvData WRITE, css_mirror_inbox WRITE, css_mirror_capture WRITE", func() error {
		for _, t := range triggers {
			if _, err := c.ExecContext(ctx, t.create()); err != nil {
				return c.explainTrigger(fmt.Errorf("create the trigger %s: %w", t.name, err))
			}
		}
		_, err := c.ExecContext(ctx, `INSERT INTO css_mirror_capture (id, refuse_drops, definer, installed)
			VALUES (1, 0, CURRENT_USER(), UTC_TIMESTAMP(6))
			ON DUPLICATE KEY UPDATE definer = VALUES(definer), installed = VALUES(installed)`)
		if err != nil {
			return fmt.Errorf("write css_mirror_capture: %w", err)
		}
		return nil
	})
}

// RemoveCapture removes the triggers, and then the tables: the inbox unless it holds changes that no mirror has
// taken, with force in any case; the conflicts unless there are some, or may come of the inbox. It fails with
// [ErrNotTaken] where the inbox is left. What is not there is no error. It waits and fails as [InstallCapture] does.
func RemoveCapture(ctx context.Context, target *mysql.Config, timeout time.Duration, force bool) error {
	c, err := connect(ctx, target, max(timeout, quietTimeout))
	if err != nil {
		return err
	}
	defer c.Close()
	return explain(target, c.remove(ctx, force))
}

func (c *connection) remove(ctx context.Context, force bool) error {
	there, err := hasTable(ctx, c, "kvData")
	if err != nil {
		return err
	}
	if there {
		if err := c.removeTriggers(ctx); err != nil {
			return err
		}
	}
	have, err := ownTables(ctx, c)
	if err != nil {
		return fmt.Errorf("look for the tables of the capture: %w", err)
	}
	left := 0 // in the inbox: conflicts come of it
	for _, name := range []string{captureTable, inboxTable, conflictsTable} {
		if have[name] == "" {
			continue
		}
		n := 0
		if name == conflictsTable || name == inboxTable && !force {
			if err := c.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+name).Scan(&n); err != nil {
				return fmt.Errorf("count the rows of %s: %w", name, err)
			}
		}
		if name == inboxTable {
			left = n
		}
		if n > 0 || name == conflictsTable && left > 0 {
			continue
		}
		if _, err := c.ExecContext(ctx, "DROP TABLE IF EXISTS "+name); err != nil {
			return fmt.Errorf("remove the table %s: %w", name, err)
		}
	}
	if left > 0 {
		return fmt.Errorf("%w: %d are in css_mirror_inbox, which is kept; nothing is captured any more", ErrNotTaken, left)
	}
	return nil
}

func (c *connection) removeTriggers(ctx context.Context) error {
	found, err := ownTriggers(ctx, c)
	if err != nil || len(found) == 0 {
		return err
	}
	return c.alone(ctx, "kvData WRITE", func() error {
		for _, t := range triggers {
			if _, err := c.ExecContext(ctx, "DROP TRIGGER IF EXISTS "+t.name); err != nil {
				return c.explainTrigger(fmt.Errorf("remove the trigger %s: %w", t.name, err))
			}
		}
		return nil
	})
}

// alone does something while nobody else uses some tables. It looks for a moment in which nobody does, again and again.
func (c *connection) alone(ctx context.Context, tables string, do func() error) error {
	for {
		err := c.lockTables(ctx, tables)
		if err == nil {
			err = do()
			_, unlocked := c.ExecContext(ctx, "UNLOCK TABLES") // if it fails, the connection that ends does it
			return errors.Join(err, unlocked)
		}
		err = fmt.Errorf("lock kvData for a moment: %w", err)
		if mysqlconn.NotGranted(err) {
			return fmt.Errorf("%w %q at %s: it lacks LOCK TABLES on the database; `css-sync grants --capture` prints what "+
				"it needs: %w",
				ErrUnauthorized, c.target.User, c.target.Addr, err)
		}
		if !mysqlconn.Locked(err) && ctx.Err() == nil {
			return err
		}
		if ended := wait.UpTo(ctx, lockPauses); ended != nil {
			return fmt.Errorf("%w: transactions that use the table are open all the time: %w", ErrBusy, errors.Join(ended, err))
		}
	}
}

// explainTrigger says what is missing where the server does not let the user make or remove a trigger.
func (c *connection) explainTrigger(err error) error {
	switch {
	case mysqlconn.NotGranted(err):
		return fmt.Errorf("%w %q at %s: it lacks TRIGGER on kvData; `css-sync grants --capture` prints what it needs: %w",
			ErrUnauthorized, c.target.User, c.target.Addr, err)
	case mysqlconn.Is(err, mysqlconn.ErBinlogTrigger):
		return fmt.Errorf("%w %q at %s: with its binary log on, the server takes triggers from users with SUPER only; "+
			"say `SET GLOBAL log_bin_trust_function_creators = 1` for as long as this takes: %w", ErrUnauthorized,
			c.target.User, c.target.Addr, err)
	}
	return err
}

// RefuseDrops sets whether others may drop databases and tables in kvData: delete the row of one, or give it the status
// PENDING_DROP. Once it has returned, no transaction of others is open that was let do so before. It waits for none:
// while there are such ones it is [ErrBusy], since whoever drops then would wait behind it. It is [ErrDrift] where no
// capture is installed.
func (c *Conn) RefuseDrops(ctx context.Context, on bool) error {
	err := c.conn.refuseDrops(ctx, on)
	if errors.Is(err, sql.ErrNoRows) || mysqlconn.NoSuchTable(err) {
		err = fmt.Errorf("%w: no triggers capture what others write", ErrDrift)
	}
	if err != nil {
		return c.explain(fmt.Errorf("set whether drops are refused: %w", err))
	}
	return nil
}

func (c *connection) refuseDrops(ctx context.Context, on bool) error {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	var id int
	err = tx.QueryRowContext(ctx, "SELECT id FROM css_mirror_capture WHERE id = 1 FOR UPDATE NOWAIT").Scan(&id)
	if err == nil {
		_, err = tx.ExecContext(ctx, "UPDATE css_mirror_capture SET refuse_drops = ? WHERE id = 1", on)
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}
