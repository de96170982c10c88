package mirror

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// connection is one connection to MySQL, never replaced silently by another: that could split a transaction.
type connection struct {
	*sql.Conn
	pool   *sql.DB
	target *mysql.Config
}

// querier reads; it is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// connect opens a connection to the target's database, with READ COMMITTED: the mirror's own transactions read nothing that
// they rely on, and lock less so.
func connect(ctx context.Context, target *mysql.Config) (*connection, error) {
	config, err := sessionConfig(target)
	if err != nil {
		return nil, fmt.Errorf("mirror: the MySQL target: %w", err)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("mirror: the MySQL target: %w", err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err == nil {
		_, err = conn.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	}
	if err != nil {
		_ = pool.Close()
		if err = explain(target, err); !hasMeaning(err) && number(err) != erBadDB && ctx.Err() == nil {
			err = fmt.Errorf("%w at %s: %w", ErrUnavailable, target.Addr, err) // TLS, an old server, and so on
		}
		return nil, err
	}
	return &connection{conn, pool, target}, nil
}

// connectOrCreate is connect that creates the database where it is missing.
func connectOrCreate(ctx context.Context, target *mysql.Config) (*connection, error) {
	c, err := connect(ctx, target)
	if number(err) != erBadDB {
		return c, err
	}
	server := target.Clone()
	server.DBName = ""
	c, err = connect(ctx, server)
	if err != nil {
		return nil, err
	}
	_, err = c.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+quoteName(target.DBName)+
		" CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci")
	c.close()
	if err != nil {
		return nil, fmt.Errorf("the database %s does not exist and cannot be created: %w", target.DBName, explain(target, err))
	}
	return connect(ctx, target)
}

// close ends the connection. What it could report is of no use any more: all that matters was said by a commit.
func (c *connection) close() {
	_ = c.Conn.Close()
	_ = c.pool.Close()
}
