package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// errWorker says that a worker could not be asked.
var errWorker = errors.New("no answer from a worker")

// piece is a table on a worker: a chunk of one, or one without chunks.
type piece struct{ db, table string }

func (p piece) String() string { return quoteSQL(p.db) + "." + quoteSQL(p.table) }

func quoteSQL(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// piecesOf returns the tables in which workers hold a table, as the catalogue says.
func piecesOf(s *cssetcd.Snapshot, t *cssetcd.Table) (all []piece, err error) {
	if t.ChunkLevel() == 0 {
		return []piece{{t.Name.DB, t.Name.Table}}, nil
	}
	for chunk, err := range s.Chunks(t.Name) {
		if err != nil {
			return nil, err
		}
		all = append(all, piece{t.Name.DB, fmt.Sprintf("%s_%d", t.Name.Table, chunk.ID)})
	}
	return all, nil
}

// czarWorkers are the servers that a czar's chunk queries go to.
type czarWorkers []*sql.DB

func openWorkers(servers []*mysql.Config) (all czarWorkers, err error) {
	for _, config := range servers {
		connector, err := mysql.NewConnector(config)
		if err != nil {
			all.close()
			return nil, err
		}
		db := sql.OpenDB(connector)
		db.SetMaxIdleConns(8)
		all = append(all, db)
	}
	return all, nil
}

func (w czarWorkers) close() {
	for _, db := range w {
		_ = db.Close() // nothing is under way
	}
}

// ask counts the rows of a piece on the first worker that has it. Whether that may be is asked right before each
// statement is sent.
func (w czarWorkers) ask(p piece, may func() error) (err error) {
	for _, db := range w {
		if err = askOne(db, p, may); !mysqlconn.NoSuchTable(err) {
			return err
		}
	}
	return err
}

// askOne waits for the answer however long it takes: a query may not be given up while it may still use the table. On
// one connection, the package sql does not send a statement twice.
func askOne(db *sql.DB, p piece, may func() error) error {
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errWorker, err)
	}
	defer conn.Close()
	if err := may(); err != nil {
		return err
	}
	var rows int64
	err = conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+p.String()).Scan(&rows)
	if err != nil && !errors.As(err, new(*mysql.MySQLError)) {
		return fmt.Errorf("%w: %w", errWorker, err)
	}
	return err
}
