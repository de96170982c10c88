package mirror

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// connection is one connection to MySQL.
type connection struct {
	*mysqlconn.Conn
	target *mysql.Config
}

// querier reads; it is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// connect opens a connection to the target's database, with READ COMMITTED: the mirror's own transactions read nothing
// that they rely on, and lock less so.
func connect(ctx context.Context, target *mysql.Config, timeout time.Duration) (*connection, error) {
	config, err := sessionConfig(target, timeout)
	if err != nil {
		return nil, fmt.Errorf("mirror: the MySQL target: %w", err)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("mirror: the MySQL target: %w", err)
	}
	short, cancel := context.WithTimeout(ctx, config.Timeout+timeout) // a server may take the connection and say nothing
	defer cancel()
	conn, err := mysqlconn.Open(short, connector)
	if err == nil {
		if err = prepare(short, conn, timeout); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		if err = explain(target, err); !hasMeaning(err) && !mysqlconn.Is(err, mysqlconn.ErBadDB) && ctx.Err() == nil {
			err = fmt.Errorf("%w at %s: %w", ErrUnavailable, target.Addr, err) // TLS, an old server, and so on
		}
		return nil, err
	}
	return &connection{conn, target}, nil
}

func prepare(ctx context.Context, conn *mysqlconn.Conn, timeout time.Duration) error {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	for _, statement := range []string{
		idleTimeout(version, timeout), "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// connectOrCreate is connect that creates the database where it is missing.
func connectOrCreate(ctx context.Context, target *mysql.Config, timeout time.Duration) (*connection, error) {
	c, err := connect(ctx, target, timeout)
	if !mysqlconn.Is(err, mysqlconn.ErBadDB) {
		return c, err
	}
	server := target.Clone()
	server.DBName = ""
	c, err = connect(ctx, server, timeout)
	if err != nil {
		return nil, err
	}
	_, err = c.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+mysqlconn.QuoteName(target.DBName)+
		" CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci")
	c.Close()
	if err != nil {
		return nil, fmt.Errorf("the database %s does not exist and cannot be created: %w", target.DBName,
			explain(target, err))
	}
	return connect(ctx, target, timeout)
}
