package sqldrop

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/internal/errlist"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// DefaultLockWait is how long a Dropper waits for queries that still use a table.
const DefaultLockWait = time.Minute

// Unless the caller chose others: a server that is not there is noticed soon, and taking 100,000 tables away is given
// its time.
const (
	statementTimeout = 10 * time.Minute
)

// Config says where tables are removed.
type Config struct {
	// Servers are all MySQL servers that may hold data. DBName is not used. They are not changed.
	Servers []*mysql.Config
	// LockWait is how long a statement waits for queries that use a table, and keeps later queries on that table waiting:
	// whole seconds, 0 is [DefaultLockWait]. Then Drop fails with [ErrBusy].
	LockWait time.Duration
	Logger   *slog.Logger // nil: nothing is logged
}

// validated returns the configuration with defaults in place, or all its faults together.
func (c Config) validated() (Config, error) {
	var faults *multierror.Error
	if len(c.Servers) == 0 {
		faults = multierror.Append(faults, errors.New("no Servers are given"))
	}
	for i, server := range c.Servers {
		if server == nil {
			faults = multierror.Append(faults, fmt.Errorf("number %d of the Servers is nil", i+1))
		}
	}
	if c.LockWait == 0 {
		c.LockWait = DefaultLockWait
	}
	if c.LockWait < time.Second || c.LockWait%time.Second != 0 {
		faults = multierror.Append(faults, fmt.Errorf("the LockWait %s is not a whole number of seconds from 1 on",
			c.LockWait))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, errlist.Join(faults)
}

// sessionConfig returns the configuration of a connection on which the server behaves as this package expects. Names
// and values of the session's variables come in pairs.
func sessionConfig(server *mysql.Config, read time.Duration, variables ...string) (*mysql.Config, error) {
	// ANSI_QUOTES and NO_BACKSLASH_ESCAPES must be off.
	return mysqlconn.Config(server, read, append(variables, "sql_mode", "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")...)
}
