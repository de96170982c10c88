package kvdata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// connection is one connection to MySQL.
type connection struct {
	*mysqlconn.Conn
	target *mysql.Config
	uid    string // the server's own idea of which one it is; "" if it has none
	held   bool   // the tables are held, and a transaction must not begin with BEGIN
}

// querier reads; it is a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// ValidateTarget says what is wrong with a target before anything is connected to it.
func ValidateTarget(target *mysql.Config) error {
	switch {
	case target == nil:
		return errors.New("no Target is given")
	case target.DBName == "":
		return errors.New("the MySQL target names no database; Qserv's is qservCssData")
	}
	return nil
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
	uid := ""
	if err == nil {
		if uid, err = prepareSession(short, conn, timeout); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		if err = explain(target, err); !hasMeaning(err) && !mysqlconn.Is(err, mysqlconn.ErBadDB) && ctx.Err() == nil {
			err = fmt.Errorf("%w at %s: %w", ErrUnavailable, target.Addr, err) // TLS, an old server, and so on
		}
		return nil, err
	}
	return &connection{Conn: conn, target: target, uid: uid}, nil
}

// connectOrCreate is connect that creates the database where it is missing.
func connectOrCreate(ctx context.Context, target *mysql.Config, timeout time.Duration) (*connection, error) {
	c, err := connect(ctx, target, timeout)
	if !mysqlconn.Is(err, mysqlconn.ErBadDB) {
		return c, err
	}
	c, err = connect(ctx, withoutDatabase(target), timeout)
	if err != nil {
		return nil, err
	}
	_, err = c.ExecContext(ctx, createDatabase(target.DBName))
	c.Close()
	if err != nil {
		return nil, fmt.Errorf("the database %s does not exist and cannot be created: %w", target.DBName,
			explain(target, err))
	}
	return connect(ctx, target, timeout)
}

func createDatabase(name string) string {
	return "CREATE DATABASE IF NOT EXISTS " + mysqlconn.QuoteName(name) +
		" CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci"
}

func withoutDatabase(target *mysql.Config) *mysql.Config {
	server := target.Clone()
	server.DBName = ""
	return server
}

// reading connects for one read of what a mirror left. A database that does not exist is ErrNoMirror.
func reading(ctx context.Context, target *mysql.Config, read func(*connection) error) error {
	if err := ValidateTarget(target); err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	c, err := connect(ctx, target, DefaultTimeout)
	if mysqlconn.Is(err, mysqlconn.ErBadDB) {
		return fmt.Errorf("%w: the database %s does not exist: %w", ErrNoMirror, target.DBName, err)
	}
	if err != nil {
		return err
	}
	defer c.Close()
	return explain(target, read(c))
}

// consistently reads in one transaction, which sees one state of the database.
func (c *connection) consistently(ctx context.Context, read func(querier) error) error {
	tx, err := c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // it reads only
	return read(tx)
}
