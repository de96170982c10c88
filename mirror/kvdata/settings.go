package kvdata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// DefaultTimeout is that of a session's TTL in etcd: whoever takes over after it finds the rows free soon.
const DefaultTimeout = 10 * time.Second

// sessionConfig returns the target with what the mirror's correctness rests on, and such that a connection which is
// dead at one end holds nobody up for much longer than the time-out.
func sessionConfig(target *mysql.Config, timeout time.Duration) (*mysql.Config, error) {
	seconds := strconv.Itoa(max(1, int(timeout/time.Second)))
	c, err := mysqlconn.Config(target, timeout+time.Second, // whoever waits for a lock hears of it first
		// Without strictness the server shortens values with no more than a warning; without the second mode it would replace
		// the id 0. ANSI_QUOTES and PAD_CHAR_TO_FULL_LENGTH must be off.
		"sql_mode", "'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
		"foreign_key_checks", "1", "unique_checks", "1", "sql_select_limit", "18446744073709551615",
		"innodb_lock_wait_timeout", strconv.Itoa(max(1, int(timeout/time.Second)/2)),
		"lock_wait_timeout", strconv.Itoa(max(1, int(timeout/time.Second)/2)),
		// The server gives up on a mirror that is gone in the middle of a statement or of an answer.
		"net_read_timeout", seconds, "net_write_timeout", seconds)
	if err != nil {
		return nil, err
	}
	c.ClientFoundRows = true // a row that was found but needed no change counts as found
	return c, nil
}

// idleTimeout makes the server give up on a mirror that is gone between two statements. MariaDB tells a transaction
// from a connection that only plans; on MySQL the mirror may plan for as long as three time-outs.
func idleTimeout(version string, timeout time.Duration) string {
	seconds := max(1, int(timeout/time.Second))
	if strings.Contains(version, "MariaDB") {
		return fmt.Sprintf("SET SESSION idle_transaction_timeout = %d, wait_timeout = %d", seconds, 60*seconds)
	}
	return fmt.Sprintf("SET SESSION wait_timeout = %d", 3*seconds)
}

// prepareSession sets what the driver's configuration cannot, and returns the server's unique id: MySQL's server_uuid,
// or the server_uid that later MariaDBs have.
func prepareSession(ctx context.Context, conn *mysqlconn.Conn, timeout time.Duration) (uid string, err error) {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", err
	}
	for _, statement := range []string{
		idleTimeout(version, timeout), "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		"SET @css_mirror = 1", // the triggers that capture what others write are silent
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return "", err
		}
	}
	query := "SELECT @@server_uuid"
	if strings.Contains(version, "MariaDB") {
		query = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'server_uid'"
	}
	if err = conn.QueryRowContext(ctx, query).Scan(&uid); errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return uid, err
}
