package kvdata

import (
	"context"
	"errors"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// Probe says why a mirror could not take the tables over now: ErrUnavailable, ErrUnauthorized, ErrReadOnly, and what
// else a mirror would meet first. It changes nothing. Tables that are not there would be made, which it does not try.
func Probe(ctx context.Context, target *mysql.Config) error {
	err := reading(ctx, target, func(c *connection) error {
		for _, table := range append([]string{"kvData"}, own...) {
			if err := c.checkPrivileges(ctx, table); err != nil && !mysqlconn.NoSuchTable(err) {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, ErrNoMirror) { // there is no such database
		return nil
	}
	return err
}
