package docs_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/testkit/upstream"
)

// kvDataOfUpstream makes the table as far as the operations written here need it.
const kvDataOfUpstream = `CREATE TABLE kvData (kvId INT NOT NULL AUTO_INCREMENT PRIMARY KEY, kvKey CHAR(255) NOT NULL,
	kvVal TEXT NOT NULL, parentKvId INT, UNIQUE KEY (kvKey), FOREIGN KEY (parentKvId) REFERENCES kvData (kvId))
	ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci`

// ingest is a C++ Qserv that writes catalogues into kvData, one after the other, without end. It compares what it is
// answered with what it is on a table of its own that nobody else touches.
type ingest struct {
	twin       upstream.Twin
	schema     string
	operations []upstream.Operation // the first one makes the table's first rows
	mine       *regexp.Regexp       // keys that only it writes

	turn   chan struct{}     // holds something during each operation, or while it rests
	expect map[string]string // rows of ended rounds, in names of the table that others write, too
	round  int
	failed error
}

// connect connects to kvData, and to a table that nobody else touches, in a schema of its own.
func (i *ingest) connect(t *testing.T, db *sql.DB, schema string) (err error) {
	dir, found := upstream.Find(t)
	i.schema, i.turn = kvDataOfUpstream, make(chan struct{}, 1)
	if found {
		i.schema = upstream.Schema(t, dir)
	}
	if i.twin.In, err = db.Conn(t.Context()); err != nil {
		return err
	}
	if i.twin.Alone, err = db.Conn(t.Context()); err != nil {
		return err
	}
	t.Cleanup(func() { assert.NoError(t, errors.Join(i.twin.In.Close(), i.twin.Alone.Close())) })
	for _, statement := range []string{"CREATE DATABASE " + schema, "USE " + schema} {
		if _, err := i.twin.Alone.ExecContext(t.Context(), statement); err != nil {
			return err
		}
	}
	return nil
}

// run writes until ctx ends. An error is one that Qserv would have met.
func (i *ingest) run(ctx context.Context) error {
	for ctx.Err() == nil {
		for n, op := range i.operations {
			select {
			case <-ctx.Done():
				return nil
			case i.turn <- struct{}{}:
			}
			err := i.write(context.WithoutCancel(ctx), n, op)
			<-i.turn
			if err != nil {
				return fmt.Errorf("round %d: %w", i.round, err)
			}
		}
	}
	return nil
}

func (i *ingest) write(ctx context.Context, n int, op upstream.Operation) error {
	if n > 0 {
		i.failed = i.twin.Call(ctx, op)
		return i.failed
	}
	all, err := i.rows(ctx)
	if err != nil {
		return err
	}
	i.expect = all
	i.round++
	anew, err := upstream.Run(ctx, i.twin.Alone, append([]string{"DROP TABLE IF EXISTS kvData", i.schema},
		op.Statements...)...)
	for _, o := range anew {
		if o.Error != 0 {
			return fmt.Errorf("%s: %s", op.Name, o.Text)
		}
	}
	return err
}

// rows are those that kvData has to have of this program's. Nothing of it may be under way.
func (i *ingest) rows(ctx context.Context) (map[string]string, error) {
	all := maps.Clone(i.expect)
	if all == nil {
		all = map[string]string{}
	}
	if i.round == 0 {
		return all, nil
	}
	here, err := rowsOf(ctx, i.twin.Alone)
	if err != nil {
		return nil, err
	}
	for key, value := range here {
		if key = i.twin.Rename(key); i.mine.MatchString(key) {
			all[key] = i.twin.Rename(value)
		}
	}
	return all, nil
}

func rowsOf(ctx context.Context, conn *sql.Conn) (map[string]string, error) {
	rows, err := conn.QueryContext(ctx, "SELECT kvKey, kvVal FROM kvData")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return nil, err
		}
		all[key] = value
	}
	return all, rows.Err()
}

// renamed gives the names of a history others of the same length, which hold the number of the round.
func (i *ingest) renamed(names map[string]string, partitionings int) func(string) string {
	return func(text string) string {
		for from, to := range names {
			text = strings.ReplaceAll(text, from, fmt.Sprintf(to, i.round))
		}
		for _, before := range []string{`/PARTITIONING/_`, `partitioningId\":\"`, `partitioningId":"`} {
			text = strings.ReplaceAll(text, before+"0000000001", fmt.Sprintf("%s%010d", before, partitionings+i.round))
		}
		return text
	}
}
