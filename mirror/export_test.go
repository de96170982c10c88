package mirror

import (
	"context"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/mirror/plan"
)

// Hurry shortens the times that a mirror waits, but for the one after it was overtaken.
func (m *Mirror) Hurry(fenced time.Duration) {
	m.cfg.LookEvery = 50 * time.Millisecond
	m.pace = pace{
		idle: 50 * time.Millisecond, first: 10 * time.Millisecond, most: 100 * time.Millisecond,
		refused: 50 * time.Millisecond,
		fenced:  fenced, catchUp: time.Second,
	}
}

// ReadColumns returns what a server says of its kvData.
func ReadColumns(ctx context.Context, target *mysql.Config) (*plan.Columns, error) {
	c, err := connect(ctx, target, defaultTimeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return readColumns(ctx, c, target.DBName)
}

// SessionVariable returns a variable of the sessions in which the mirror writes.
func SessionVariable(ctx context.Context, target *mysql.Config, name string) (value string, err error) {
	c, err := connect(ctx, target, defaultTimeout)
	if err != nil {
		return "", err
	}
	defer c.Close()
	err = c.QueryRowContext(ctx, "SELECT @@SESSION."+name).Scan(&value)
	return value, err
}

// Hold takes the state row as a transaction of a mirror does, and then does nothing more.
func Hold(ctx context.Context, target *mysql.Config, timeout time.Duration) (release func(), err error) {
	c, err := connect(ctx, target, timeout)
	if err != nil {
		return nil, err
	}
	tx, err := c.BeginTx(ctx, nil)
	if err == nil {
		_, err = tx.ExecContext(ctx, "UPDATE css_mirror_state SET owner = owner WHERE id = 1")
	}
	return func() {
		_ = tx.Rollback()
		c.Close()
	}, err
}

// Explain gives an error of the driver its meaning.
func Explain(target *mysql.Config, err error) error { return explain(target, err) }
