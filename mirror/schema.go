package mirror

import (
	"context"
	"fmt"
	"strings"
)

// createKvData is what upstream's installer creates.
const createKvData = `CREATE TABLE IF NOT EXISTS kvData (
  kvId INT NOT NULL AUTO_INCREMENT,
  kvKey CHAR(255) NOT NULL COMMENT 'slash delimited path',
  kvVal TEXT NOT NULL COMMENT 'value for key',
  parentKvId INT NULL COMMENT 'id of parent key',
  PRIMARY KEY (kvId),
  UNIQUE KEY kvData_kvKey_UNIQUE (kvKey),
  KEY kvData_parent_key (parentKvId),
  CONSTRAINT kvData_parent_key FOREIGN KEY (parentKvId) REFERENCES kvData (kvId)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci`

// maxNameBytes is the size of the columns mirror_name and owner.
const maxNameBytes = 255

// createState makes the table with the one row that says what kvData shows and who may write to it.
const createState = `CREATE TABLE IF NOT EXISTS css_mirror_state (
  id TINYINT NOT NULL COMMENT 'always 1',
  mirror_name VARBINARY(255) NOT NULL,
  term BIGINT NOT NULL COMMENT 'counts the take-overs; only the last one may write',
  cluster_id BIGINT UNSIGNED NOT NULL COMMENT 'of etcd',
  history VARBINARY(255) NOT NULL COMMENT 'which history of the catalogue',
  prefix VARBINARY(1024) NOT NULL COMMENT 'where in etcd the catalogue is',
  applied BIGINT NOT NULL COMMENT 'the revision of etcd that kvData shows',
  row_count BIGINT NOT NULL COMMENT 'rows of kvData',
  quarantined BIGINT NOT NULL COMMENT 'keys that kvData cannot hold',
  digest BIGINT UNSIGNED NULL,
  format INT NOT NULL COMMENT 'of the tables css_mirror_*',
  owner VARBINARY(255) NOT NULL COMMENT 'who took over last',
  updated DATETIME(6) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (id)
) ENGINE=InnoDB`

// createQuarantine makes the table of the keys that kvData cannot hold.
const createQuarantine = `CREATE TABLE IF NOT EXISTS css_mirror_quarantine (
  key_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the key',
  css_key VARBINARY(1024) NOT NULL COMMENT 'the key, or its beginning',
  reason VARBINARY(32) NOT NULL,
  detail BLOB NOT NULL,
  mod_revision BIGINT NOT NULL COMMENT '0: not a key, but above one',
  value_bytes BIGINT NOT NULL,
  since DATETIME(6) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (key_hash)
) ENGINE=InnoDB`

// ensureTables creates what is missing and refuses a kvData that is not Qserv's, with ErrNotKvData.
func (c *connection) ensureTables(ctx context.Context) error {
	for _, table := range []struct{ name, create string }{
		{"kvData", createKvData}, {"css_mirror_state", createState}, {"css_mirror_quarantine", createQuarantine},
	} {
		// CREATE TABLE IF NOT EXISTS asks for the privilege even if the table exists, and a mirror can do without it then.
		there, err := hasTable(ctx, c, table.name)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if _, err := c.ExecContext(ctx, table.create); err != nil {
			return fmt.Errorf("create the table %s: %w", table.name, err)
		}
	}
	return inspectKvData(ctx, c, c.target.DBName)
}

func hasTable(ctx context.Context, q querier, name string) (bool, error) {
	var n int
	err := q.QueryRowContext(ctx,
		"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", name).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for the table %s: %w", name, err)
	}
	return n > 0, nil
}

// inspectKvData returns ErrNotKvData, with all that is wrong, unless kvData can hold what the plan is made for.
func inspectKvData(ctx context.Context, q querier, database string) error {
	var faults []string
	for _, inspect := range []func(context.Context, querier) ([]string, error){inspectTable, inspectColumns,
		inspectUnique} {
		more, err := inspect(ctx, q)
		if err != nil {
			return fmt.Errorf("inspect kvData: %w", err)
		}
		faults = append(faults, more...)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: in the database %s, %s", ErrNotKvData, database, strings.Join(faults, "; "))
	}
	return nil
}

func inspectTable(ctx context.Context, q querier) ([]string, error) {
	var kind, engine string
	err := q.QueryRowContext(ctx, `SELECT TABLE_TYPE, COALESCE(ENGINE, '') FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData'`).Scan(&kind, &engine)
	switch {
	case err != nil:
		return nil, err
	case kind != "BASE TABLE":
		return []string{"it is a " + strings.ToLower(kind)}, nil
	case engine != "InnoDB":
		return []string{"its engine is " + engine + " and not InnoDB, so that it has no transactions"}, nil
	}
	return nil, nil
}

// wantedColumns says what the columns must be; the numbers are least lengths.
var wantedColumns = map[string]struct {
	kind     string
	length   int64
	text     bool // in UTF-8
	nullable string
}{
	"kvId":       {kind: "int", nullable: "NO"},
	"kvKey":      {kind: "char", length: 255, text: true, nullable: "NO"},
	"kvVal":      {kind: "text", length: 65_535, text: true, nullable: "NO"},
	"parentKvId": {kind: "int", nullable: "YES"},
}

func inspectColumns(ctx context.Context, q querier) (faults []string, err error) {
	rows, err := q.QueryContext(ctx, `SELECT COLUMN_NAME, DATA_TYPE, COALESCE(CHARACTER_MAXIMUM_LENGTH, 0), IS_NULLABLE,
		COALESCE(CHARACTER_SET_NAME, ''), COALESCE(COLLATION_NAME, '')
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData' ORDER BY ORDINAL_POSITION`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	missing := map[string]bool{"kvId": true, "kvKey": true, "kvVal": true, "parentKvId": true}
	for rows.Next() {
		var name, kind, nullable, charset, collation string
		var length int64
		if err := rows.Scan(&name, &kind, &length, &nullable, &charset, &collation); err != nil {
			return nil, err
		}
		want, ok := wantedColumns[name]
		delete(missing, name)
		switch {
		case !ok:
			faults = append(faults, "the column "+name+" is not one of Qserv's")
		case kind != want.kind || length < want.length:
			faults = append(faults, fmt.Sprintf("the column %s is %s of length %d", name, kind, length))
		case nullable != want.nullable:
			faults = append(faults, fmt.Sprintf("the column %s has NULL %s", name, nullable))
		case want.text && charset != "utf8" && charset != "utf8mb3":
			faults = append(faults, fmt.Sprintf("the column %s has the character set %s and not utf8mb3", name, charset))
		case name == "kvKey" && collation != "utf8_general_ci" && collation != "utf8mb3_general_ci":
			faults = append(faults, fmt.Sprintf("the column %s has the collation %s and not utf8mb3_general_ci", name,
				collation))
		}
	}
	for _, name := range []string{"kvId", "kvKey", "kvVal", "parentKvId"} {
		if missing[name] {
			faults = append(faults, "the column "+name+" is missing")
		}
	}
	return faults, rows.Err()
}

// inspectUnique asks for unique indexes of kvId alone and of kvKey alone: the plan relies on both.
func inspectUnique(ctx context.Context, q querier) (faults []string, err error) {
	for _, column := range []string{"kvId", "kvKey"} {
		var n int
		err := q.QueryRowContext(ctx, `SELECT COUNT(*) FROM (
			SELECT INDEX_NAME FROM information_schema.STATISTICS
			WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData' AND NON_UNIQUE = 0
			GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND MAX(COLUMN_NAME) = ? AND MAX(SUB_PART) IS NULL) AS unique_indexes`,
			column).Scan(&n)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			faults = append(faults, "the column "+column+" has no unique index of its own")
		}
	}
	return faults, nil
}
