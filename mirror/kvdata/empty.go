package kvdata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/emptychunks"
)

// emptySuffix follows the name of a database in the name of the table of its empty chunks.
const emptySuffix = "_EmptyChunks"

// MaxEmptyName is how long the name of a database may be for a table of its empty chunks: MySQL takes names of 64
// characters.
const MaxEmptyName = 64 - len(emptySuffix)

// MaxEmptyChunks is how many chunks a table is made of at most: their ids are one statement, which has to fit into the
// packet that a server takes, 16 MiB unless set otherwise. Qserv's finest partitioning has some 200,000.
const MaxEmptyChunks = 1_000_000

// emptyTable is the mirror's record of the empty chunks that both sides agreed on.
const emptyTable = "css_mirror_empty"

const createEmpty = `CREATE TABLE IF NOT EXISTS css_mirror_empty (
  db_name VARBINARY(255) NOT NULL COMMENT 'database whose empty chunks etcd and MySQL agreed on',
  known TINYINT NOT NULL COMMENT '0: only what was undone last is on record; 2: etcd is being given this set, 3: etcd is being made to forget',
  digest BINARY(32) NOT NULL COMMENT 'SHA-256 of the text of the set',
  chunks INT NOT NULL COMMENT 'how many',
  revision BIGINT NOT NULL COMMENT 'of etcd',
  updated DATETIME(6) NOT NULL COMMENT 'UTC',
  lost LONGTEXT NULL COMMENT 'what others had written last that was undone: a set, or NULL',
  lost_at DATETIME(6) NULL COMMENT 'UTC',
  PRIMARY KEY (db_name)
) ENGINE=InnoDB`

// takingSuffix follows the name of a database in the name of the row of what is being taken from its table: no database
// has a name with a slash, and what both sides agreed on has a row of its own.
const takingSuffix = "/taking"

// What the column known says.
const (
	lostRow   = 0
	agreedRow = 1
	takingRow = 2 // etcd is about to be given what the table says
	losesRow  = 3 // etcd is about to say nothing, as there is no table
)

var (
	// ErrEmptyTable says that a table of empty chunks is not as Qserv makes it.
	ErrEmptyTable = errors.New("the table is not one of empty chunks as Qserv makes it")
	// ErrEmptyMoved says that a table of empty chunks is not what it was when it was decided about.
	ErrEmptyMoved = errors.New("the table of empty chunks has changed meanwhile")
)

// EmptyTable is what the server tells of a table of empty chunks without reading it.
type EmptyTable struct {
	DB      string
	Changed int64 // by the server's clock, in seconds: when it was last made or written; 0: the server does not know
}

// Empty is a connection over which tables of empty chunks are kept. It may write as long as css_mirror_state is at its
// term.
type Empty struct {
	conn *connection
	term int64
}

// OpenEmpty connects, and makes the table css_mirror_empty where it is missing.
func OpenEmpty(ctx context.Context, target *mysql.Config, term int64) (*Empty, error) {
	conn, err := connect(ctx, target, DefaultTimeout)
	if err != nil {
		return nil, err
	}
	e := &Empty{conn, term}
	if err := e.prepare(ctx); err != nil {
		e.Close()
		return nil, e.explain(err)
	}
	return e, nil
}

func (e *Empty) prepare(ctx context.Context) error {
	// Whoever writes such a table now is asked again later. MySQL 8 would tell of tables what it told a day ago.
	if err := e.conn.hurry(ctx, "/*!80000 SET SESSION information_schema_stats_expiry = 0 */"); err != nil {
		return err
	}
	return e.conn.ensure(ctx, []ownTable{{emptyTable, createEmpty}})
}

// hurry has a connection wait for others no longer than a second or two.
func (c *connection) hurry(ctx context.Context, more ...string) error {
	for _, set := range append(more, "SET SESSION innodb_lock_wait_timeout = 1", "SET SESSION lock_wait_timeout = 2") {
		if _, err := c.ExecContext(ctx, set); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the connection.
func (e *Empty) Close() { e.conn.Close() }

func (e *Empty) explain(err error) error { return explain(e.conn.target, err) }

// Agreed is what is on record of a database.
type Agreed struct {
	emptychunks.OnRecord
	Revision cssetcd.Revision // of etcd, at which both sides agreed
	Decided  cssetcd.Revision // of etcd, at which it was decided to take what a table says
}

// Records returns what is on record, by database.
func (e *Empty) Records(ctx context.Context) (map[string]Agreed, error) {
	all, err := agreedOn(ctx, e.conn)
	return all, e.explain(err)
}

func agreedOn(ctx context.Context, q querier) (map[string]Agreed, error) {
	all := map[string]Agreed{}
	rows, err := q.QueryContext(ctx, "SELECT db_name, known, digest, revision FROM "+emptyTable+
		" WHERE known <> ?", lostRow)
	if mysqlconn.NoSuchTable(err) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var known int
		var digest []byte
		var at cssetcd.Revision
		if err := rows.Scan(&name, &known, &digest, &at); err != nil {
			return nil, err
		}
		base := emptychunks.Base{Known: known != losesRow}
		if base.Known {
			base.Digest = emptychunks.Digest(digest)
		}
		db, taking := strings.CutSuffix(name, takingSuffix)
		r := all[db]
		if taking {
			r.Taking, r.Next, r.Decided = true, base, at
		} else if known == agreedRow {
			r.Base, r.Revision = base, at
		}
		all[db] = r
	}
	return all, rows.Err()
}

// Tables returns the tables of empty chunks that there are, and the time of the server.
func (e *Empty) Tables(ctx context.Context) (tables []EmptyTable, now int64, err error) {
	if err := e.conn.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP()").Scan(&now); err != nil {
		return nil, 0, e.explain(err)
	}
	tables, err = emptyTables(ctx, e.conn)
	return tables, now, e.explain(err)
}

func emptyTables(ctx context.Context, q querier) (tables []EmptyTable, err error) {
	rows, err := q.QueryContext(ctx, `SELECT TABLE_NAME, GREATEST(COALESCE(UNIX_TIMESTAMP(CREATE_TIME), 0),
		COALESCE(UNIX_TIMESTAMP(UPDATE_TIME), 0)) FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE '%\_EmptyChunks'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var changed float64
		if err := rows.Scan(&name, &changed); err != nil {
			return nil, err
		}
		if db, ok := strings.CutSuffix(name, emptySuffix); ok && db != "" {
			tables = append(tables, EmptyTable{db, int64(changed)})
		}
	}
	return tables, rows.Err()
}

// Read reads the table of a database. It returns ErrBusy while somebody is writing it, and [ErrEmptyTable].
func (e *Empty) Read(ctx context.Context, db string) (side emptychunks.Side, err error) {
	tx, err := e.conn.BeginTx(ctx, nil)
	if err != nil {
		return side, e.explain(err)
	}
	defer tx.Rollback() // it reads only
	side, err = readEmpty(ctx, tx, db, "LOCK IN SHARE MODE")
	return side, e.explain(err)
}

// readEmpty reads with a lock, since one that reads without would see a table as it was before a transaction that has
// not ended: made anew, and without rows.
func readEmpty(ctx context.Context, q querier, db, lock string) (side emptychunks.Side, err error) {
	rows, err := q.QueryContext(ctx, "SELECT chunkId FROM "+tableOfEmpty(db)+" "+lock)
	if mysqlconn.NoSuchTable(err) {
		return emptychunks.Side{}, nil
	}
	if mysqlconn.Is(err, mysqlconn.ErBadField) {
		return side, fmt.Errorf("%w: it has no column chunkId", ErrEmptyTable)
	}
	if err != nil {
		return side, err
	}
	defer rows.Close()
	var ids []int
	for rows.Next() {
		var id sql.NullInt64
		if err := rows.Scan(&id); err != nil || !id.Valid {
			return side, fmt.Errorf("%w: a chunkId is no number", ErrEmptyTable)
		}
		ids = append(ids, int(id.Int64))
	}
	if err := rows.Err(); err != nil {
		return side, err
	}
	set, err := chunkset.Of(ids...)
	if err != nil {
		return side, fmt.Errorf("%w: %w", ErrEmptyTable, err)
	}
	return emptychunks.Said(set), nil
}

func tableOfEmpty(db string) string { return mysqlconn.QuoteName(db + emptySuffix) }

// Write makes the table say what etcd says. A table that is there changes in one transaction with the record; one that
// is not there comes whole, and is on record a moment later. It returns [ErrFenced], [ErrEmptyMoved] and ErrBusy, and
// has changed nothing then.
func (e *Empty) Write(ctx context.Context, c EmptyChange) error {
	if !c.Found.Known {
		if err := e.create(ctx, c); err != nil {
			return e.explain(err)
		}
		return e.Record(ctx, c)
	}
	return e.explain(e.transact(ctx, func(tx *sql.Tx) error {
		if err := unmoved(ctx, tx, c); err != nil {
			return err
		}
		for statement := range c.statements() {
			_, err := tx.ExecContext(ctx, statement)
			if mysqlconn.Is(err, mysqlconn.ErDuplicate) { // others have put it there in this moment
				return fmt.Errorf("%w: %w", ErrEmptyMoved, err)
			}
			if err != nil {
				return err
			}
		}
		return record(ctx, tx, c)
	}))
}

// unmoved locks the table, and fails with ErrEmptyMoved unless it says what it said when it was decided about.
func unmoved(ctx context.Context, tx *sql.Tx, c EmptyChange) error {
	found, err := readEmpty(ctx, tx, c.DB, "FOR UPDATE")
	if err == nil && !found.Equal(c.Found) {
		err = fmt.Errorf("%w: %s", ErrEmptyMoved, tableOfEmpty(c.DB))
	}
	return err
}

// create makes the table with all its rows in one statement: nobody sees it without them.
func (e *Empty) create(ctx context.Context, c EmptyChange) error {
	if err := e.CheckTerm(ctx); err != nil {
		return err
	}
	_, err := e.conn.ExecContext(ctx, c.creation())
	if mysqlconn.Is(err, mysqlconn.ErTableExists) {
		return fmt.Errorf("%w: %s is there now", ErrEmptyMoved, tableOfEmpty(c.DB))
	}
	return err
}

// Remove removes the table, and what is on record. It returns what Write returns.
func (e *Empty) Remove(ctx context.Context, c EmptyChange) error {
	if err := e.transact(ctx, func(tx *sql.Tx) error { return unmoved(ctx, tx, c) }); err != nil {
		return e.explain(err)
	}
	_, err := e.conn.ExecContext(ctx, c.removal())
	if mysqlconn.NotGranted(err) {
		return fmt.Errorf("%w %q at %s to drop it; `css-sync grants --remove-empty-chunks` prints what that needs: %w",
			ErrUnauthorized, e.conn.target.User, e.conn.target.Addr, err)
	}
	if err != nil {
		return e.explain(err)
	}
	return e.Record(ctx, c)
}

// Taking puts on record that etcd, which says Now, is about to be made to say what was found, as was decided at a
// revision of etcd. Again is whether an earlier take is on record, see [emptychunks.OnRecord]. It returns [ErrFenced].
func (e *Empty) Taking(ctx context.Context, c EmptyChange, again bool) error {
	known := losesRow
	if c.Found.Known {
		known = takingRow
	}
	next := c
	next.DB += takingSuffix
	return e.explain(e.transact(ctx, func(tx *sql.Tx) error {
		if again {
			if err := record(ctx, tx, EmptyChange{DB: c.DB, Now: c.Now, Revision: c.Revision}); err != nil {
				return err
			}
		}
		return putRow(ctx, tx, next, known, c.Found.Set)
	}))
}

// CheckTerm returns [ErrFenced] when another mirror has taken the table over.
func (e *Empty) CheckTerm(ctx context.Context) error {
	return e.explain(e.transact(ctx, func(*sql.Tx) error { return nil }))
}

// Record puts on record what both sides say, and writes nothing else.
func (e *Empty) Record(ctx context.Context, c EmptyChange) error {
	return e.explain(e.transact(ctx, func(tx *sql.Tx) error { return record(ctx, tx, c) }))
}

func record(ctx context.Context, tx *sql.Tx, c EmptyChange) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM "+emptyTable+" WHERE db_name = ?", c.DB+takingSuffix); err != nil {
		return err
	}
	if !c.Now.Known && !c.Lost {
		_, err := tx.ExecContext(ctx, "DELETE FROM "+emptyTable+" WHERE db_name = ?", c.DB)
		return err
	}
	known := lostRow
	if c.Now.Known {
		known = agreedRow
	}
	if err := putRow(ctx, tx, c, known, c.Now.Set); err != nil {
		return err
	}
	if !c.Lost {
		return nil
	}
	var lost sql.NullString
	if c.Found.Known {
		lost = sql.NullString{String: c.Found.Set.String(), Valid: true}
	}
	_, err := tx.ExecContext(ctx, "UPDATE "+emptyTable+" SET lost = ?, lost_at = UTC_TIMESTAMP(6) WHERE db_name = ?", lost,
		c.DB)
	return err
}

func putRow(ctx context.Context, tx *sql.Tx, c EmptyChange, known int, set chunkset.Set) error {
	digest := emptychunks.DigestOf(set)
	_, err := tx.ExecContext(ctx, "INSERT INTO "+emptyTable+` (db_name, known, digest, chunks, revision, updated)
		VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE known = VALUES(known), digest = VALUES(digest),
		chunks = VALUES(chunks), revision = VALUES(revision), updated = VALUES(updated)`, c.DB, known, digest[:],
		set.Len(), c.Revision)
	return err
}

// transact runs one transaction that commits only while css_mirror_state is at the term; the row stays locked until
// then, so that a take-over waits for it.
func (e *Empty) transact(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := e.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	var term int64
	if err := tx.QueryRowContext(ctx, "SELECT term FROM css_mirror_state WHERE id = 1 LOCK IN SHARE MODE").Scan(
		&term); err != nil {
		return err
	}
	if term != e.term {
		return fmt.Errorf("%w: css_mirror_state is at term %d and not %d", ErrFenced, term, e.term)
	}
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}
