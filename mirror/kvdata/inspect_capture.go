package kvdata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// Capture is how what others write into kvData is captured.
type Capture struct {
	Installed bool
	Refuses   bool     // others may not drop databases and tables
	Unseen    bool     // the user may not see triggers, so that nothing is known of them
	Waiting   int      // rows of the inbox, which may be left from a capture that was removed
	Conflicts int      // changes that etcd did not take and that are on record, likewise
	Faults    []string // sentences; none: what is installed works, as far as the user may see
}

// ReadCapture returns how the writes of others are captured at a target. Everything is compared with what this version
// installs. Where nothing is installed there are no faults; where there is no database either. It fails with
// [ErrUnavailable] or [ErrUnauthorized].
func ReadCapture(ctx context.Context, target *mysql.Config) (is Capture, err error) {
	err = reading(ctx, target, func(c *connection) error {
		is, err = c.capture(ctx, c)
		return err
	})
	if errors.Is(err, ErrNoMirror) {
		return Capture{}, nil
	}
	return is, err
}

// Capture is [ReadCapture] over the mirror's connection. It is also a fault if the triggers do not run with the rights
// of the mirror's user, or if that may not do what they do: then the writes of others fail.
func (c *Conn) Capture(ctx context.Context) (Capture, error) {
	is, err := c.conn.capture(ctx, c.conn)
	if err == nil && is.Unseen {
		is.Faults = append(is.Faults, "the user may not see triggers, which needs TRIGGER on kvData")
	}
	if err == nil && is.Installed {
		var more []string
		more, err = c.conn.ownerFaults(ctx)
		is.Faults = append(is.Faults, more...)
	}
	return is, c.explain(err)
}

func (c *connection) capture(ctx context.Context, q querier) (is Capture, err error) {
	found, err := ownTriggers(ctx, q)
	if err != nil {
		return is, err
	}
	have, err := ownTables(ctx, q)
	if err != nil {
		return is, fmt.Errorf("look at the tables of the capture: %w", err)
	}
	if is.Waiting, is.Conflicts, err = countCaptured(ctx, q, have); err != nil {
		return is, err
	}
	definer, marked := "", false
	if have[captureTable] != "" {
		err = q.QueryRowContext(ctx, "SELECT refuse_drops = 1, definer FROM css_mirror_capture WHERE id = 1").Scan(
			&is.Refuses, &definer)
		marked = err == nil
		if err != nil && !errors.Is(err, sql.ErrNoRows) && !mysqlconn.NoSuchTable(err) &&
			!mysqlconn.Is(err, mysqlconn.ErBadField) {
			return is, fmt.Errorf("read css_mirror_capture: %w", err)
		}
	}
	if !marked && len(found) == 0 {
		return is, nil
	}
	is.Installed, is.Faults = true, tableFaults(have)
	if !marked {
		is.Faults = append(is.Faults, "the row of css_mirror_capture is missing, and no drop can be refused")
	}
	if is.Unseen = len(found) == 0 && hidden(ctx, q); is.Unseen {
		return is, nil
	}
	is.Faults = append(is.Faults, triggerFaults(found, definer)...)
	more, err := definerFaults(ctx, q, found)
	is.Faults = append(is.Faults, more...)
	return is, err
}

// countCaptured counts the rows of the inbox and the conflicts.
func countCaptured(ctx context.Context, q querier, have map[string]string) (waiting, conflicts int, err error) {
	for table, n := range map[string]*int{inboxTable: &waiting, conflictsTable: &conflicts} {
		if have[table] == "" {
			continue // asking for it is refused to who has no right on it
		}
		err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(n)
		if err != nil && !mysqlconn.NoSuchTable(err) {
			return 0, 0, fmt.Errorf("count the rows of %s: %w", table, err)
		}
	}
	return waiting, conflicts, nil
}

// foundTrigger is what the server says of a trigger.
type foundTrigger struct {
	trigger
	table, charset, definer string
	sameModes               bool // as those of this connection
}

// ownTriggers returns the triggers with the names of ours, as far as the user may see them.
func ownTriggers(ctx context.Context, q querier) (map[string]foundTrigger, error) {
	names := []any{}
	for _, t := range triggers {
		names = append(names, t.name)
	}
	rows, err := q.QueryContext(ctx, `SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT,
		EVENT_OBJECT_TABLE, CHARACTER_SET_CLIENT, DEFINER, SQL_MODE = @@SESSION.sql_mode FROM information_schema.TRIGGERS
		WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME IN (`+placeholders("?", len(names))+")", names...)
	if err != nil {
		return nil, fmt.Errorf("look for the triggers: %w", err)
	}
	defer rows.Close()
	found := map[string]foundTrigger{}
	for rows.Next() {
		var t foundTrigger
		if err := rows.Scan(&t.name, &t.timing, &t.event, &t.body, &t.table, &t.charset, &t.definer,
			&t.sameModes); err != nil {
			return nil, fmt.Errorf("look for the triggers: %w", err)
		}
		found[t.name] = t
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for the triggers: %w", err)
	}
	return found, nil
}

// triggerFaults compares what was found with what this version makes. The definer is who made them, as far as is known.
func triggerFaults(found map[string]foundTrigger, definer string) (faults []string) {
	for _, want := range triggers {
		is, ok := found[want.name]
		switch {
		case !ok:
			faults = append(faults, "the trigger "+want.name+" is missing")
		case is.trigger != want || is.table != "kvData":
			faults = append(faults, "the trigger "+want.name+" is not as this version makes it")
		case !is.sameModes || is.charset != "utf8mb4":
			faults = append(faults, "the trigger "+want.name+" was made in another sql_mode or character set")
		case definer != "" && is.definer != definer:
			faults = append(faults, fmt.Sprintf("the trigger %s runs with the rights of %s, and was made by %s", want.name,
				is.definer, definer))
		}
	}
	return faults
}

// hidden reports whether the user may not see triggers at all.
func hidden(ctx context.Context, q querier) bool {
	rows, err := q.QueryContext(ctx, "SHOW CREATE TRIGGER "+triggers[0].name)
	if err == nil {
		err = errors.Join(rows.Err(), rows.Close())
	}
	return mysqlconn.NotGranted(err)
}

// definerFaults names the users with whose rights triggers run and who are not there. Who may not see users is told
// nothing.
func definerFaults(ctx context.Context, q querier, found map[string]foundTrigger) (faults []string, err error) {
	definers := map[string]bool{}
	for _, t := range found {
		definers[t.definer] = true
	}
	for definer := range definers {
		at := strings.LastIndexByte(definer, '@')
		if at < 0 {
			continue // a role
		}
		var n int
		err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM mysql.user WHERE User = ? AND Host = ?", definer[:at],
			definer[at+1:]).Scan(&n)
		switch {
		case mysqlconn.NotGranted(err):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("look for the user %s: %w", definer, err)
		case n == 0:
			faults = append(faults, fmt.Sprintf("triggers run with the rights of %s, who does not exist, "+
				"and writes of others to kvData fail", definer))
		}
	}
	slices.Sort(faults)
	return faults, nil
}

// ownerFaults compares the definer of the triggers with the user of this connection, and asks what that may do.
func (c *connection) ownerFaults(ctx context.Context) (faults []string, err error) {
	var user string
	if err := c.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&user); err != nil {
		return nil, fmt.Errorf("ask the server for the user: %w", err)
	}
	found, err := ownTriggers(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, t := range triggers {
		if is, ok := found[t.name]; ok && is.definer != user {
			faults = append(faults, fmt.Sprintf("the trigger %s runs with the rights of %s, and the mirror is %s", t.name,
				is.definer, user))
		}
	}
	have, err := ownTables(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("look for the tables of the capture: %w", err)
	}
	for _, table := range append([]string{"kvData"}, captureTables...) {
		if have[table] == "" && table != "kvData" {
			continue // which is a fault already
		}
		missing, err := c.missingPrivileges(ctx, table)
		if err != nil {
			return nil, err
		}
		if len(missing) > 0 {
			faults = append(faults, fmt.Sprintf("the user lacks %s, without which writes of others may fail",
				strings.Join(missing, ", ")))
		}
	}
	return faults, nil
}
