package sqldrop

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// session is one connection to a server.
type session struct {
	*mysqlconn.Conn
	maxPacket int // bytes of a statement that the server takes
}

// greeting bounds how long connecting takes: a server that takes a connection and says nothing is noticed within
// seconds.
const greeting = 10 * time.Second

// open connects to a server.
func open(ctx context.Context, config *mysql.Config) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, greeting, fmt.Errorf("it did not answer within %s", greeting))
	defer cancel()
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	conn, err := mysqlconn.Open(ctx, connector)
	if err != nil {
		return nil, err
	}
	return &session{Conn: conn}, nil
}

// openWorker connects to a server that tables are removed from. It fails with ErrServer on one where that is not safe.
func openWorker(ctx context.Context, server *mysql.Config, lockWait time.Duration) (*session, error) {
	config, err := sessionConfig(server, lockWait+statementTimeout, "lock_wait_timeout",
		strconv.Itoa(int(lockWait/time.Second)))
	if err != nil {
		return nil, err
	}
	config.DBName = ""
	s, err := open(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := s.settle(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openAttempt opens a session that removes data. It is known by its schema, which is that of the markers: see Clean.
func openAttempt(ctx context.Context, server *mysql.Config, lockWait time.Duration) (*session, error) {
	s, err := openWorker(ctx, server, lockWait)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	if _, err := s.ExecContext(ctx, "USE "+mysqlconn.QuoteName(markers)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// settle finds out whether the server will do, and makes the schema of the markers.
func (s *session) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	if err := s.examine(ctx); err != nil {
		return err
	}
	_, err := s.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+mysqlconn.QuoteName(markers))
	return err
}

// examine asks the server what it is.
func (s *session) examine(ctx context.Context) error {
	var version string
	var lowerCase int
	err := s.QueryRowContext(ctx, "SELECT VERSION(), @@lower_case_table_names, @@max_allowed_packet").Scan(&version,
		&lowerCase, &s.maxPacket)
	switch {
	case err != nil:
		return err
	case !atomicRename(version):
		return fmt.Errorf("%w: it is version %s, on which a crash could split a RENAME TABLE; it takes MariaDB 10.6 or "+
			"MySQL 8.0, or a later one",
			ErrServer, version)
	case lowerCase != 0:
		return fmt.Errorf("%w: lower_case_table_names is %d there, so that it takes two names for one; it has to be 0, as "+
			"on any Linux",
			ErrServer, lowerCase)
	}
	return nil
}

// atomicRename reports whether RENAME TABLE of several tables is atomic even when the server dies, going by its
// version.
func atomicRename(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(major)
	if err != nil {
		return false
	}
	b, err := strconv.Atoi(minor)
	if err != nil {
		return false
	}
	if strings.Contains(strings.ToLower(version), "mariadb") {
		return a > 10 || a == 10 && b >= 6
	}
	return a >= 8
}

// names returns the names in a schema that begin with a prefix and for which want says yes; with types, also which of
// them are views, for which the server has to open each. A schema that does not exist has no names.
func (s *session) names(ctx context.Context, schema, prefix string, types bool, want func(name string) bool) ([]entry,
	error) {
	kind := "''"
	if types {
		kind = "TABLE_TYPE"
	}
	rows, err := s.QueryContext(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, "+kind+
		" FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME LIKE ?", schema, likePrefix(prefix))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []entry
	for rows.Next() {
		var database, kind string
		var e entry
		if err := rows.Scan(&database, &e.name, &kind); err != nil {
			return nil, err
		}
		e.view = kind == "VIEW"
		// The comparisons in SQL follow a collation, in which other names are equal too.
		if database == schema && want(e.name) {
			found = append(found, e)
		}
	}
	return found, rows.Err()
}

// foreignKeys returns the names of the foreign keys that a table has.
func (s *session) foreignKeys(ctx context.Context, schema, table string) (keys []string, err error) {
	rows, err := s.QueryContext(ctx, `SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS
		WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND CONSTRAINT_TYPE = 'FOREIGN KEY'`, schema, table)
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

// likePrefix returns the pattern of LIKE for what begins with a text.
func likePrefix(text string) string {
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text) + "%"
}

// entry is one name in a schema.
type entry struct {
	name string
	view bool
}
