package both_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// edge is what a statement of an SQL writer did to one key: from what kvData held to what it holds then.
type edge struct {
	key         string
	was, became value
	// what its table was partitioned by then, which no writer changes: it tells one table from the next of its name
	born value
}

// outcome is what a writer was told of a transaction.
type outcome int

const (
	undone    outcome = iota // it rolled back, or never came to its end
	committed                // it was told so
	unknown                  // the answer was lost
)

// transaction is one of an SQL writer.
type transaction struct {
	conn  int64
	edges []edge
	outcome
}

// breath is how long an SQL writer pauses between two operations at most, and half as long as a Go writer does.
const breath = 60 * time.Millisecond

// errGaveUp is for what upstream gives up, too: the rows are not as its next statement needs them.
var errGaveUp = errors.New("somebody else was there")

// sqlWriter sends what upstream's css module sends, and writes down what each statement did.
type sqlWriter struct {
	r    *run
	name string
	rnd  *rand.Rand
	conn *sql.Conn
	id   int64 // of the connection
	tx   transaction
	n    int // counts values, so that no two are the same
}

// unique returns a text that nobody else writes.
func (s *sqlWriter) unique() string {
	s.n++
	return fmt.Sprintf("%s_%d", s.name, s.n)
}

// connect makes sure that there is a connection, and now and then that it is a new one.
func (s *sqlWriter) connect(ctx context.Context) (err error) {
	if s.conn != nil && s.rnd.IntN(8) > 0 {
		return nil
	}
	s.disconnect()
	if s.conn, err = s.r.sql.Conn(ctx); err != nil {
		s.conn = nil
		return err
	}
	err = s.conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&s.id)
	if err == nil {
		_, err = s.conn.ExecContext(ctx, "SET innodb_lock_wait_timeout = 10")
	}
	if err != nil {
		s.disconnect()
	}
	return err
}

func (s *sqlWriter) disconnect() {
	if s.conn != nil {
		// An error that the pool takes for a lost connection: it does not serve anybody else.
		_ = s.conn.Raw(func(any) error { return sqlBad })
		_ = s.conn.Close()
		s.conn = nil
	}
}

// transact runs statements in a transaction, and writes down what came of it. An error is one for which upstream rolls
// back and gives up, or one of the connection.
func (s *sqlWriter) transact(ctx context.Context, statements func(context.Context) error) error {
	s.tx = transaction{conn: s.id}
	err := s.exec(ctx, "START TRANSACTION")
	if err == nil {
		err = statements(ctx)
	}
	switch {
	case err == nil:
		s.tx.outcome = committed
		if err = s.exec(ctx, "COMMIT"); err != nil {
			s.tx.outcome = unknown
		}
	case mysqlconn.Number(err) != 0 || errors.Is(err, errGaveUp):
		if failed := s.exec(ctx, "ROLLBACK"); failed != nil {
			s.disconnect()
		}
	}
	s.r.wrote(s.tx)
	if err != nil && mysqlconn.Number(err) == 0 && !errors.Is(err, errGaveUp) {
		s.disconnect()
	}
	return err
}

func (s *sqlWriter) exec(ctx context.Context, query string) error {
	_, err := s.conn.ExecContext(ctx, query)
	return err
}

// kvID returns the id of a row, "" for none.
func (s *sqlWriter) kvID(ctx context.Context, key string) (id string, err error) {
	err = s.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT kvId FROM kvData WHERE kvKey='%s'", key)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// mustID returns the id of a row that upstream takes for granted.
func (s *sqlWriter) mustID(ctx context.Context, key string) (id string, err error) {
	if id, err = s.kvID(ctx, key); err == nil && id == "" {
		err = fmt.Errorf("%w: %s is gone", errGaveUp, key)
	}
	return id, err
}

// insert makes a row below one.
func (s *sqlWriter) insert(ctx context.Context, key, text, parent string) error {
	err := s.exec(ctx, fmt.Sprintf("INSERT INTO kvData (kvKey, kvVal, parentKvId) VALUES ('%s', '%s', '%s')", key, text,
		parent))
	if err == nil {
		s.tx.edges = append(s.tx.edges, edge{key: key, became: held(text)})
	}
	return err
}

// set makes a row or changes it. The statement is upstream's, but for a variable that tells what it overwrote.
func (s *sqlWriter) set(ctx context.Context, key, text, parent string) (inserted bool, err error) {
	if err := s.exec(ctx, "SET @was = NULL"); err != nil {
		return false, err
	}
	result, err := s.conn.ExecContext(ctx, fmt.Sprintf("INSERT INTO kvData (kvKey, kvVal, parentKvId) "+
		"VALUES ('%[1]s', '%[2]s', '%[3]s') ON DUPLICATE KEY UPDATE kvVal=IF((@was := kvVal) IS NULL, '', '%[2]s')",
		key, text, parent))
	if err != nil {
		return false, err
	}
	affected, err := result.RowsAffected()
	if err != nil || affected == 0 { // it held that already
		return false, err
	}
	var was sql.NullString
	if err := s.conn.QueryRowContext(ctx, "SELECT @was").Scan(&was); err != nil {
		return false, err
	}
	if was.Valid == (affected == 1) {
		return false, fmt.Errorf("%s: %d rows, and there was %v", key, affected, was)
	}
	s.tx.edges = append(s.tx.edges, edge{key: key, was: value{was.Valid, was.String}, became: held(text)})
	return affected == 1, nil
}

// remove deletes a row and all below it as upstream does: it asks for the children of each row.
func (s *sqlWriter) remove(ctx context.Context, key string) error {
	id, err := s.mustID(ctx, key)
	if err != nil {
		return err
	}
	children, err := s.children(ctx, id)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := s.remove(ctx, child); err != nil {
			return err
		}
	}
	return s.delete(ctx, key)
}

func (s *sqlWriter) children(ctx context.Context, id string) (keys []string, err error) {
	rows, err := s.conn.QueryContext(ctx, fmt.Sprintf("SELECT kvKey FROM kvData WHERE parentKvId='%s'", id))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// delete deletes one row.
func (s *sqlWriter) delete(ctx context.Context, key string) error {
	var was string
	err := s.conn.QueryRowContext(ctx, fmt.Sprintf("DELETE FROM kvData WHERE kvKey='%s' RETURNING kvVal", key)).Scan(&was)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	s.tx.edges = append(s.tx.edges, edge{key: key, was: held(was)})
	return nil
}

// tell notes for the transaction's changes below a table what the table is partitioned by, as it is now and not as
// when the transaction began: the rows that were written are locked, so that nobody makes it another one.
func (s *sqlWriter) tell(ctx context.Context, table string) error {
	var born string
	err := s.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT kvVal FROM kvData WHERE kvKey='%s' LOCK IN SHARE MODE",
		table+partitioned)).Scan(&born)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	for i, e := range s.tx.edges {
		if e.key == table || strings.HasPrefix(e.key, table+"/") {
			s.tx.edges[i].born = held(born)
		}
	}
	return nil
}
