package kvdata

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// The tables that are there while the writes of others are captured.
const (
	inboxTable     = "css_mirror_inbox"
	conflictsTable = "css_mirror_conflicts"
	captureTable   = "css_mirror_capture"
)

// createInbox makes the table into which the triggers write, by each row that a transaction of others changed. A key is
// a BLOB, since the column kvKey may be of any length. Its ids never come again, also not after the table was made
// anew: what is known of an id elsewhere would be taken for what another row is.
const createInbox = `CREATE TABLE IF NOT EXISTS css_mirror_inbox (
  id BIGINT NOT NULL AUTO_INCREMENT COMMENT 'in the order of statements, not of commits',
  conn BIGINT NOT NULL COMMENT 'CONNECTION_ID() of the writer',
  kv_id INT NOT NULL,
  parent INT NULL COMMENT 'parentKvId, of a deleted row before it went',
  css_key BLOB NOT NULL COMMENT 'byte for byte',
  before_value LONGBLOB NULL COMMENT 'NULL: there was no row',
  after_value LONGBLOB NULL COMMENT 'NULL: there is no row any more',
  writer VARBINARY(1024) NOT NULL COMMENT 'USER() of the writer',
  written DATETIME(6) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (id)
) ENGINE=InnoDB AUTO_INCREMENT=`

// createConflicts makes the table of what others wrote and etcd did not take.
const createConflicts = `CREATE TABLE IF NOT EXISTS css_mirror_conflicts (
  id BIGINT NOT NULL AUTO_INCREMENT,
  seen DATETIME(6) NOT NULL COMMENT 'UTC',
  kind VARBINARY(32) NOT NULL COMMENT 'conflict, request or drift',
  reason VARBINARY(64) NOT NULL,
  detail BLOB NOT NULL,
  inbox_id BIGINT NOT NULL COMMENT 'id that the row had in css_mirror_inbox; 0: it was in none',
  conn BIGINT NOT NULL,
  kv_id INT NOT NULL,
  parent INT NULL,
  css_key BLOB NOT NULL,
  before_value LONGBLOB NULL,
  after_value LONGBLOB NULL,
  etcd_value LONGBLOB NULL COMMENT 'what etcd held; NULL: nothing',
  revision BIGINT NOT NULL COMMENT 'of etcd, at which that was decided',
  writer VARBINARY(1024) NOT NULL,
  written DATETIME(6) NULL COMMENT 'UTC; NULL: nobody knows',
  PRIMARY KEY (id)
) ENGINE=InnoDB`

// createCapture makes the table with the one row that is there while the writes of others are captured.
const createCapture = `CREATE TABLE IF NOT EXISTS css_mirror_capture (
  id TINYINT NOT NULL COMMENT 'always 1',
  refuse_drops TINYINT NOT NULL COMMENT '1: others may not drop databases and tables',
  definer VARBINARY(1024) NOT NULL COMMENT 'with whose rights the triggers were made',
  installed DATETIME(6) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (id)
) ENGINE=InnoDB`

// captureColumns are the columns of these tables, in their order.
var captureColumns = map[string]string{
	inboxTable: "id bigint, conn bigint, kv_id int, parent int, css_key blob, before_value longblob, after_value " +
		"longblob, writer varbinary, written datetime",
	conflictsTable: "id bigint, seen datetime, kind varbinary, reason varbinary, detail blob, inbox_id bigint, " +
		"conn bigint, kv_id int, parent int, css_key blob, before_value longblob, after_value longblob, " +
		"etcd_value longblob, revision bigint, writer varbinary, written datetime",
	captureTable: "id tinyint, refuse_drops tinyint, definer varbinary, installed datetime",
}

// captureTables are in the order in which they are made.
var captureTables = []string{inboxTable, conflictsTable, captureTable}

// ensureCaptureTables creates what is missing, and fails with ErrDrift where one is another table.
func (c *connection) ensureCaptureTables(ctx context.Context) error {
	var first int64
	err := c.QueryRowContext(ctx, "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)").Scan(&first)
	if err != nil {
		return fmt.Errorf("ask the server for the time: %w", err)
	}
	err = c.ensure(ctx, []ownTable{{inboxTable, createInbox + fmt.Sprint(first)}, {conflictsTable, createConflicts},
		{captureTable, createCapture}})
	if err != nil {
		return err
	}
	have, err := ownTables(ctx, c)
	if err != nil {
		return fmt.Errorf("look at the tables of the capture: %w", err)
	}
	if faults := tableFaults(have); len(faults) > 0 {
		return fmt.Errorf("%w: %s", ErrDrift, strings.Join(faults, "; "))
	}
	return nil
}

// tableFaults says which of the tables are missing, or not as they are made.
func tableFaults(have map[string]string) (faults []string) {
	for _, name := range captureTables {
		switch is, ok := have[name]; {
		case !ok && name == conflictsTable:
			faults = append(faults, "the table "+name+" is missing, and no mirror can record what etcd does not take")
		case !ok:
			faults = append(faults, "the table "+name+" is missing, and writes of others to kvData fail")
		case is != "InnoDB: "+captureColumns[name]:
			faults = append(faults, "the table "+name+" is not as a mirror makes it, but "+is)
		}
	}
	return faults
}

// ownTables returns engine and columns of each table of the capture that is there, as far as the user may see.
func ownTables(ctx context.Context, q querier) (map[string]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT t.TABLE_NAME, CONCAT(COALESCE(t.ENGINE, t.TABLE_TYPE), ': ',
		GROUP_CONCAT(c.COLUMN_NAME, ' ', c.DATA_TYPE ORDER BY c.ORDINAL_POSITION SEPARATOR ', '))
		FROM information_schema.TABLES t JOIN information_schema.COLUMNS c USING (TABLE_SCHEMA, TABLE_NAME)
		WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME IN (`+placeholders("?", len(captureTables))+`)
		GROUP BY t.TABLE_NAME, t.ENGINE, t.TABLE_TYPE`, anys(slices.Clone(captureTables))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	have := map[string]string{}
	for rows.Next() {
		var name, is string
		if err := rows.Scan(&name, &is); err != nil {
			return nil, err
		}
		have[name] = is
	}
	return have, rows.Err()
}
