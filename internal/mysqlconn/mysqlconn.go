// Package mysqlconn has what all connections to MySQL need: a configuration on which the server behaves the same
// whatever its own settings are, one connection that is never replaced silently by another, and what errors of the
// driver mean.
package mysqlconn

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"maps"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// dialTimeout is how long connecting takes at most where the configuration does not say.
const dialTimeout = 5 * time.Second

// Config returns a configuration in which times are UTC, texts are utf8mb4, and a read or write takes at most the given
// time where the server's configuration does not say otherwise. Names and values of the session's variables come in
// pairs.
func Config(server *mysql.Config, limit time.Duration, variables ...string) (*mysql.Config, error) {
	c := server.Clone()
	c.InterpolateParams = true
	c.MultiStatements = false
	c.ParseTime, c.Loc = true, time.UTC
	c.MaxAllowedPacket = 0 // whatever the server says
	if c.Timeout == 0 {
		c.Timeout = dialTimeout
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = limit
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = limit
	}
	c.Params = maps.Clone(c.Params)
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	c.Params["time_zone"] = "'+00:00'"
	for i := 0; i < len(variables); i += 2 {
		c.Params[variables[i]] = variables[i+1]
	}
	if err := c.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	return c, nil
}

// Conn is one connection. To be replaced silently by another could split a transaction.
type Conn struct {
	*sql.Conn
	pool *sql.DB
}

// Open connects.
func Open(ctx context.Context, connector driver.Connector) (*Conn, error) {
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err != nil {
		_ = pool.Close()
		return nil, err
	}
	return &Conn{conn, pool}, nil
}

// Close ends the connection. What it could report is of no use any more: all that matters was said by what came before.
func (c *Conn) Close() {
	_ = c.Conn.Close()
	_ = c.pool.Close()
}

// QuoteName quotes the name of a schema or table.
func QuoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
