package kvdata

import (
	"fmt"
	"iter"
	"strings"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/plan"
)

// InboxStep is what a step does with the inbox, in its transaction.
type InboxStep struct {
	Known     []int64          // rows that etcd has, or that were decided against: they go
	Conflicts []inbox.Conflict // to be recorded
}

// atOnce is before each statement on kvData of a step that takes the inbox: the mirror waits for no row. Of two
// transactions that wait for each other, the server would end the one of others.
const atOnce = "SET STATEMENT innodb_lock_wait_timeout = 0 FOR "

// inbox takes known rows out of the inbox and then looks whether all that others wrote to the rows of the plan was
// known. The rows are locked by now, so that nobody writes them any more: what others wrote before, the read shows,
// because it is of now; at REPEATABLE READ it might be of the transaction's beginning.
func (w writer) inbox(s Step, columns *plan.Columns) error {
	if err := w.conflicts(s.Inbox.Conflicts); err != nil {
		return err
	}
	for ids := range batches(s.Inbox.Known, w.maxBytes, func(int64) int { return 0 }) {
		// One by one: for a list of many the server would go through all rows, and wait for those of open transactions.
		query := "DELETE css_mirror_inbox FROM (SELECT ? AS known" + strings.Repeat(" UNION ALL SELECT ?", len(ids)-1) +
			") AS gone STRAIGHT_JOIN css_mirror_inbox ON id = known"
		if _, err := w.tx.ExecContext(w.ctx, query, anys(ids)...); err != nil {
			return fmt.Errorf("empty the inbox: %w", missingInbox(err))
		}
	}
	return w.look(s.Plan, columns)
}

// look fails with ErrOvertaken where the inbox still has a row whose key the plan writes.
func (w writer) look(p *plan.Plan, columns *plan.Columns) error {
	rows, err := w.tx.QueryContext(w.ctx, "SELECT id, css_key FROM css_mirror_inbox")
	if err != nil {
		return fmt.Errorf("look into the inbox: %w", missingInbox(err))
	}
	defer rows.Close()
	unknown := map[string]int64{} // by folded key
	for rows.Next() {
		var id int64
		var key []byte
		if err := rows.Scan(&id, &key); err != nil {
			return fmt.Errorf("look into the inbox: %w", err)
		}
		unknown[columns.Fold(string(key))] = id
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look into the inbox: %w", err)
	}
	if len(unknown) == 0 {
		return nil
	}
	for key := range written(p) {
		if id, ok := unknown[columns.Fold(key)]; ok {
			return fmt.Errorf("%w: %q, with id %d of the inbox", ErrOvertaken, shown(plan.Quarantined{Key: key}).Key, id)
		}
	}
	return nil
}

// written yields the keys of the rows that a plan writes.
func written(p *plan.Plan) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, rows := range [][]plan.Row{p.Clear, p.Inserts, p.Deletes} {
			for _, r := range rows {
				if !yield(r.Key) {
					return
				}
			}
		}
		for _, u := range p.Updates {
			if !yield(u.Old.Key) || !yield(u.New.Key) {
				return
			}
		}
	}
}

// missingInbox is ErrDrift where the inbox, which was installed, is gone.
func missingInbox(err error) error {
	if mysqlconn.NoSuchTable(err) || mysqlconn.Is(err, mysqlconn.ErBadField) {
		return fmt.Errorf("%w: what others write is not captured here: %w", ErrDrift, err)
	}
	return err
}
