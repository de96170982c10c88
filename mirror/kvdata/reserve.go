package kvdata

import (
	"context"
	"fmt"
	"strings"
)

// mostIDsOfARow is how far apart the server can be asked to count.
const mostIDsOfARow = 65_535

// ReserveIDs returns the first of n ids in a row that the server gives to nobody else. Where others insert, ids that
// one counts oneself do not do: the server raises its count only once a row with an id of its own is written, so that
// another statement may have been given that id by then, and overwrite the row with its ON DUPLICATE KEY UPDATE. It
// fails with [ErrBusy] where others have locked what a row would need.
func (c *Conn) ReserveIDs(ctx context.Context, n int) (first int64, err error) {
	tx, err := c.conn.begin(ctx)
	if err != nil {
		return 0, c.explain(fmt.Errorf("begin a transaction: %w", err))
	}
	defer tx.Rollback() // the count is not taken back with the row
	// A statement takes its ids at once; counting by n, the next id is n later.
	step := min(n, mostIDsOfARow)
	rows := (n + step - 1) / step
	values := make([]string, rows)
	for i := range values {
		values[i] = fmt.Sprintf("(CONCAT('css_mirror ', CONNECTION_ID(), ' %d'), '', NULL)", i) // no CSS key
	}
	result, err := tx.ExecContext(ctx, fmt.Sprintf("SET STATEMENT innodb_lock_wait_timeout = 0, "+
		"auto_increment_offset = 1, auto_increment_increment = %d FOR "+
		"INSERT INTO kvData (kvKey, kvVal, parentKvId) VALUES %s", step, strings.Join(values, ",")))
	if err == nil {
		first, err = result.LastInsertId()
	}
	if err != nil {
		return 0, c.explain(fmt.Errorf("reserve %d ids: %w", n, err))
	}
	return first, nil
}
