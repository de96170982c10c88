package kvdata

import (
	"context"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// Forget makes the state say that kvData shows no revision of a catalogue, for an import under a term. It fails with
// [ErrFenced] where somebody else has taken the table over.
func (c *Conn) Forget(ctx context.Context, term int64) error {
	result, err := c.conn.ExecContext(ctx, `UPDATE css_mirror_state SET applied = 0, row_count = 0, digest = NULL,
		quarantined = 0, updated = UTC_TIMESTAMP(6) WHERE id = 1 AND term = ?`, term)
	var n int64
	if err == nil {
		n, err = result.RowsAffected()
	}
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: css_mirror_state is no longer at term %d", ErrFenced, term)
	}
	return c.explain(err)
}

// EnsureRoots makes the rows that every kvData has and that Qserv makes when it first needs them: the root, /DBS and
// /NODES.
func (c *Conn) EnsureRoots(ctx context.Context) error {
	for _, statement := range []string{
		"INSERT INTO kvData (kvKey, kvVal) SELECT '', '' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM kvData WHERE kvKey = '')",
		ensureBelowRoot("/DBS"), ensureBelowRoot("/NODES"),
	} {
		_, err := c.conn.ExecContext(ctx, statement)
		if err != nil && !mysqlconn.Is(err, mysqlconn.ErDuplicate) { // others made it in this moment
			return c.explain(fmt.Errorf("make the first rows of kvData: %w", err))
		}
	}
	return nil
}

func ensureBelowRoot(key string) string {
	return fmt.Sprintf(`INSERT INTO kvData (kvKey, kvVal, parentKvId) SELECT '%s', '', kvId FROM kvData WHERE kvKey = ''
		AND NOT EXISTS (SELECT 1 FROM kvData WHERE kvKey = '%[1]s')`, key)
}

// Release ends that a mirror writes to a target: from then on kvData belongs to those who write into MySQL, and every
// mirror is refused with [ErrReleased]. It returns the revision that kvData shows, apart from what is in the inbox.
// Where it is released already it does nothing.
func Release(ctx context.Context, target *mysql.Config) (at cssetcd.Revision, err error) {
	err = reading(ctx, target, func(c *connection) (err error) {
		at, err = c.release(ctx)
		return err
	})
	return at, err
}

func (c *connection) release(ctx context.Context) (cssetcd.Revision, error) {
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // nothing after a commit
	s, err := readState(ctx, tx, c.target.DBName, "FOR UPDATE")
	if err != nil || s.Released() {
		return s.Applied, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE css_mirror_state SET mirror_name = '', cluster_id = 0, history = '', prefix = '',
		term = term + 1, updated = UTC_TIMESTAMP(6) WHERE id = 1`)
	if err == nil {
		err = tx.Commit()
	}
	return s.Applied, err
}

// Released reports whether kvData was left to those who write into MySQL.
func (s State) Released() bool { return s.Term > 0 && s.Mirror == "" && s.Identity.Prefix == "" }

// errReleased says what is to be done about a kvData that was released.
func errReleased(s State) error {
	return fmt.Errorf("%w, when it showed revision %d, and may have changed since; "+
		"`css-sync import mysql --overwrite` takes it into etcd again", ErrReleased, s.Applied)
}
