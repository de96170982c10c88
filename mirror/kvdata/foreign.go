package kvdata

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Foreign is a change that somebody else than the mirror made to kvData, as css_mirror_foreign records it.
type Foreign struct {
	// Have is what others wrote, Want what the mirror had left, as far as that is known. Of a key beyond 1,024 bytes, and
	// of values that do not fit into half a statement, they have the beginning.
	plan.Difference
	Seen     time.Time        // by the server's clock
	Revision cssetcd.Revision // of etcd, that kvData showed
	Undone   bool             // by the transaction that recorded it
}

// lastOnRecord returns what of others' changes the record has room for, in the order in which it is to be written: what
// would be lost for good comes last, and so stays longest.
func lastOnRecord(changes []plan.Difference) []plan.Difference {
	var missing, lost []plan.Difference
	for _, d := range changes {
		if d.Kind == plan.Missing {
			missing = append(missing, d)
		} else {
			lost = append(lost, d)
		}
	}
	list, bytes := append(missing, lost...), 0
	for first := len(list); first > 0; first-- {
		bytes += list[first-1].Bytes()
		if n := len(list) - first; n > 0 && (n == plan.MaxForeign || bytes > plan.MaxForeignBytes) {
			return list[first:]
		}
	}
	return list
}

// foreign records what others wrote. The table keeps the newest [plan.MaxForeign] rows, and of them only the newest
// [plan.MaxForeignBytes] of values, but at least one.
func (w writer) foreign(s Step) error {
	if len(s.Foreign) == 0 {
		return nil
	}
	for part := range batches(lastOnRecord(s.Foreign), w.maxBytes, plan.Difference.Bytes) {
		args := make([]any, 0, 7*len(part))
		for _, d := range part {
			args = append(args, []byte(d.Key[:min(len(d.Key), maxKeyShown)]), []byte(d.Kind), d.RowID,
				w.text(d.Kind == plan.Missing, d.Have), w.text(d.Kind == plan.Extra || s.Guessed, d.Want), s.From, s.Undone)
		}
		query := `INSERT INTO css_mirror_foreign (seen, css_key, kind, row_id, found, mirrored, revision, undone) VALUES ` +
			placeholders("(UTC_TIMESTAMP(6),?,?,?,?,?,?,?)", len(part))
		if _, err := w.tx.ExecContext(w.ctx, query, args...); err != nil {
			return err
		}
	}
	_, err := w.tx.ExecContext(w.ctx, `DELETE FROM css_mirror_foreign WHERE id < (SELECT MIN(id) FROM (SELECT id,
		ROW_NUMBER() OVER (ORDER BY id DESC) AS nth,
		SUM(COALESCE(LENGTH(found), 0) + COALESCE(LENGTH(mirrored), 0)) OVER (ORDER BY id DESC) AS bytes
		FROM css_mirror_foreign f) AS newest WHERE nth = 1 OR nth <= ? AND bytes <= ?)`, plan.MaxForeign, plan.MaxForeignBytes)
	return err
}

// text is a value to be recorded, or, of one that fits into no packet with others, the beginning.
func (w writer) text(null bool, text string) any {
	if null {
		return nil
	}
	return []byte(text[:min(len(text), w.maxBytes/2)])
}

// ReadForeign returns what css_mirror_foreign records, the newest first, at most limit of it; 0 is no limit. Total is
// how much there is. It fails as [ReadState] does; a mirror of an earlier version of this program recorded nothing.
func ReadForeign(ctx context.Context, target *mysql.Config, limit int) (list []Foreign, total int, err error) {
	err = reading(ctx, target, func(c *connection) error {
		err := c.consistently(ctx, func(q querier) (err error) {
			list, total, err = readForeign(ctx, q, limit)
			return err
		})
		if mysqlconn.Is(err, mysqlconn.ErNoSuchTable) {
			return nil
		}
		return err
	})
	return list, total, err
}

func readForeign(ctx context.Context, q querier, limit int) (list []Foreign, total int, err error) {
	if err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM css_mirror_foreign").Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("read css_mirror_foreign: %w", err)
	}
	query := "SELECT seen, css_key, kind, row_id, found, mirrored, revision, undone FROM css_mirror_foreign " +
		"ORDER BY id DESC"
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", limit)
	}
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, 0, fmt.Errorf("read css_mirror_foreign: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var f Foreign
		var found, mirrored sql.NullString
		if err := rows.Scan(&f.Seen, &f.Key, &f.Kind, &f.RowID, &found, &mirrored, &f.Revision, &f.Undone); err != nil {
			return nil, 0, fmt.Errorf("read css_mirror_foreign: %w", err)
		}
		f.Have, f.Want = found.String, mirrored.String
		list = append(list, f)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("read css_mirror_foreign: %w", err)
	}
	return list, total, nil
}
