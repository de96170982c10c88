package kvdata

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/emptychunks"
)

// EmptyShown is what MySQL says of empty chunks, by database.
type EmptyShown struct {
	Tables  map[string]emptychunks.Side // those that there are
	Bad     map[string]error            // tables that cannot be read
	Agreed  map[string]Agreed           // what is on record
	Capture bool                        // what others write into kvData is captured: both sides may write
}

// ReadEmpty returns what MySQL says of empty chunks: each table as it was at some moment of the call. A server lists
// only what the user may see, so the tables of the databases that are given, and of those on record, are looked for,
// too. It writes nothing. A table that somebody is writing is a bad one, for ErrBusy. A server without the database, or
// without a mirror, shows nothing of it.
func ReadEmpty(ctx context.Context, target *mysql.Config, dbs ...string) (s EmptyShown, err error) {
	s = EmptyShown{Tables: map[string]emptychunks.Side{}, Bad: map[string]error{}}
	err = reading(ctx, target, func(c *connection) error {
		if err := c.hurry(ctx); err != nil {
			return err
		}
		is, err := c.capture(ctx, c)
		if err != nil {
			return err
		}
		s.Capture = is.Installed || is.Waiting > 0
		s.Agreed, err = agreedOn(ctx, c)
		if err != nil && !mysqlconn.NotGranted(err) { // a server does not say to all whether there is such a table
			return err
		}
		tables, err := emptyTables(ctx, c)
		if err != nil {
			return err
		}
		for _, t := range tables {
			dbs = append(dbs, t.DB)
		}
		for db := range s.Agreed {
			dbs = append(dbs, db)
		}
		slices.Sort(dbs)
		e := &Empty{conn: c}
		for _, db := range slices.Compact(dbs) {
			if len(db) > MaxEmptyName {
				continue
			}
			switch side, err := e.Read(ctx, db); {
			case errors.Is(err, ErrUnavailable), ctx.Err() != nil:
				return err
			case errors.Is(err, ErrBusy):
				s.Bad[db] = fmt.Errorf("somebody is writing the table %s: %w", tableOfEmpty(db), err)
			case err != nil:
				s.Bad[db] = err
			case side.Known:
				s.Tables[db] = side
			}
		}
		return nil
	})
	if errors.Is(err, ErrNoMirror) {
		return s, nil
	}
	return s, err
}
