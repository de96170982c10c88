package kvdata

import (
	"context"
	"fmt"

	"github.com/qserv/css-etcd/internal/mysqlconn"
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

// MaxName is how many bytes the name and the owner of a mirror can have: the size of the columns mirror_name and owner.
const MaxName = 255

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
  digest BIGINT UNSIGNED NULL COMMENT 'of the rows of kvData',
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

// createForeign makes the table of what others wrote into kvData.
const createForeign = `CREATE TABLE IF NOT EXISTS css_mirror_foreign (
  id BIGINT NOT NULL AUTO_INCREMENT,
  seen DATETIME(6) NOT NULL COMMENT 'UTC',
  css_key VARBINARY(1024) NOT NULL COMMENT 'the key, or its beginning',
  kind VARBINARY(32) NOT NULL COMMENT 'how the row differed: missing, extra, value, parent, key_spelling',
  row_id INT NOT NULL COMMENT 'kvId; 0: others had deleted the row',
  found LONGBLOB NULL COMMENT 'what others had written',
  mirrored LONGBLOB NULL COMMENT 'what the mirror had left there',
  revision BIGINT NOT NULL COMMENT 'of etcd, that kvData showed',
  undone TINYINT NOT NULL COMMENT '1: the same transaction undid it',
  PRIMARY KEY (id)
) ENGINE=InnoDB`

type ownTable struct{ name, create string }

// ensureTables creates what is missing.
func (c *connection) ensureTables(ctx context.Context) error {
	err := c.ensure(ctx, []ownTable{
		{"kvData", createKvData}, {"css_mirror_state", createState}, {"css_mirror_quarantine", createQuarantine},
		{"css_mirror_foreign", createForeign},
	})
	if err != nil {
		return err
	}
	// kvData does without: who may not make it is told when empty chunks are to be kept.
	if err = c.ensure(ctx, []ownTable{{emptyTable, createEmpty}}); mysqlconn.NotGranted(err) {
		return nil
	}
	return err
}

func (c *connection) ensure(ctx context.Context, tables []ownTable) error {
	for _, table := range tables {
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
	return nil
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
