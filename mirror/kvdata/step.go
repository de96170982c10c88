package kvdata

import (
	"context"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Step is one transaction: what it is fenced by, what it changes, and the state that it leaves.
type Step struct {
	Term     int64            // of the take-over
	From, To cssetcd.Revision // that kvData shows before and after
	Plan     *plan.Plan
	Stored   Records           // if not nil, what css_mirror_quarantine holds and the plan does not know of
	Foreign  []plan.Difference // what others wrote, to be recorded
	Undone   bool              // by this plan
	Guessed  bool              // it may be theirs, and what was there before is not known
	Held     int               // keys in quarantine afterwards
	Adopt    *Claim            // what the table is about from now on; nil: what it was about
	Inbox    *InboxStep        // what becomes of the inbox; nil: what others write is not captured
}

// Apply executes a step. It returns [ErrFenced] when another mirror took over or the last commit came to another end
// than was believed, [ErrDrift] when kvData is not what the plan was made for, [ErrIDsTaken] when somebody else has
// taken ids of new rows, and [ErrBusy] when the transaction was rolled back for another one. A step that takes the
// inbox waits for no row of kvData: who has one locked makes it ErrBusy at once. It returns [ErrOvertaken] when others
// wrote a row that it writes, and that is not known. Except for those, the outcome of a failed commit is unknown.
func (c *Conn) Apply(ctx context.Context, s Step) error { return c.explain(c.apply(ctx, s)) }

func (c *Conn) apply(ctx context.Context, s Step) error {
	tx, err := c.conn.begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	defer tx.Rollback() // nothing after a commit
	w := writer{ctx: ctx, tx: tx, bytes: c.columns.Key == plan.AnyBytes, maxBytes: c.maxBytes}
	if s.Inbox != nil {
		w.before = atOnce
	}
	if err := w.fence(s); err != nil {
		return err
	}
	if err := w.rows(s.Plan); err != nil {
		return fmt.Errorf("write kvData: %w", err)
	}
	if err := w.quarantine(s.quarantine()); err != nil {
		return fmt.Errorf("write css_mirror_quarantine: %w", err)
	}
	if err := w.foreign(s); err != nil {
		return fmt.Errorf("write css_mirror_foreign: %w", err)
	}
	if s.Inbox != nil { // after all writes
		if err := w.inbox(s, c.columns); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit revision %d: %w", s.To, err)
	}
	return nil
}

// writer writes within one transaction.
type writer struct {
	ctx      context.Context // of the transaction
	tx       transaction
	bytes    bool   // keys are not text
	maxBytes int    // of the keys and values of one statement
	before   string // each statement on kvData
}

// fence moves the revision on. It comes first: it locks the state row, so that a take-over waits for this transaction,
// and nothing is written by a mirror that may not write.
func (w writer) fence(s Step) error {
	result, err := w.tx.ExecContext(w.ctx, `UPDATE css_mirror_state SET applied = ?, row_count = ?, digest = ?, quarantined = ?,
		updated = UTC_TIMESTAMP(6) WHERE id = 1 AND term = ? AND applied = ?`,
		s.To, s.Plan.Rows, s.Plan.Digest, s.Held, s.Term, s.From)
	if err != nil {
		return fmt.Errorf("move the revision on: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%w: css_mirror_state is no longer at term %d and revision %d", ErrFenced, s.Term, s.From)
	}
	return w.adopt(s.Adopt)
}

// adopt makes the table one of another catalogue. It is part of the transaction that makes its rows those of that
// catalogue.
func (w writer) adopt(by *Claim) error {
	if by == nil {
		return nil
	}
	_, err := w.tx.ExecContext(w.ctx,
		"UPDATE css_mirror_state SET mirror_name = ?, cluster_id = ?, history = ?, prefix = ? WHERE id = 1",
		by.Name, by.Identity.Cluster, by.Identity.History, by.Identity.Prefix)
	if err != nil {
		return fmt.Errorf("adopt the table: %w", err)
	}
	// What is on record of empty chunks was agreed on with the other catalogue.
	_, err = w.tx.ExecContext(w.ctx, "DELETE FROM "+emptyTable)
	if err != nil && !mysqlconn.NoSuchTable(err) && !mysqlconn.NotGranted(err) {
		return fmt.Errorf("adopt the tables of empty chunks: %w", err)
	}
	return nil
}
