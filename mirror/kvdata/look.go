package kvdata

import (
	"context"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
)

// Look is what a glance at the server shows.
type Look struct {
	Server  string // which server it is
	Term    int64
	Applied cssetcd.Revision // that kvData shows
	Digest  *uint64          // that the state has; nil: none
}

// look fails when kvData cannot be read any more.
func (c *connection) look(ctx context.Context, q querier) (l Look, err error) {
	err = q.QueryRowContext(ctx, `SELECT CONCAT_WS(' ', CONCAT(@@hostname, ':', @@port), @@socket, @@datadir, @@server_id, ?),
		term, applied, digest
		FROM css_mirror_state WHERE id = 1 AND (SELECT COUNT(*) FROM (SELECT 1 FROM kvData LIMIT 1) AS one) >= 0`, c.uid).Scan(
		&l.Server, &l.Term, &l.Applied, &l.Digest)
	if err != nil {
		return l, fmt.Errorf("look at the server: %w", err)
	}
	return l, nil
}
