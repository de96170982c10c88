package kvdata

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/plan"
)

// maxKeyShown is how much of a key css_mirror_quarantine shows. etcd's keys can be megabytes long.
const maxKeyShown = 1024

// hash is the key of css_mirror_quarantine: the keys in it can be longer than an index holds.
type hash = [sha256.Size]byte

// Records are what css_mirror_quarantine holds.
type Records map[hash]plan.Quarantined

// quarantineChange is what one transaction changes in css_mirror_quarantine.
type quarantineChange struct {
	gone   []hash
	record []plan.Quarantined
}

// quarantine is the change that a step makes: what its plan says or, with stored records, what makes them the plan's.
func (s Step) quarantine() quarantineChange {
	if s.Stored != nil {
		return s.Stored.reconciled(s.Plan.Records)
	}
	c := quarantineChange{record: s.Plan.Records}
	for _, key := range s.Plan.Releases {
		c.gone = append(c.gone, sha256.Sum256([]byte(key)))
	}
	return c
}

// Has reports whether a key is among the records.
func (r Records) Has(key string) bool {
	_, ok := r[sha256.Sum256([]byte(key))]
	return ok
}

// reconciled is the change that leaves only the wanted records.
func (r Records) reconciled(records []plan.Quarantined) quarantineChange {
	var c quarantineChange
	wanted := make(map[hash]bool, len(records))
	for _, q := range records {
		h := sha256.Sum256([]byte(q.Key))
		wanted[h] = true
		if have, ok := r[h]; !ok || have != shown(q) {
			c.record = append(c.record, q)
		}
	}
	for h := range r {
		if !wanted[h] {
			c.gone = append(c.gone, h)
		}
	}
	return c
}

// shown is a record as the table shows it.
func shown(q plan.Quarantined) plan.Quarantined {
	q.Key = q.Key[:min(len(q.Key), maxKeyShown)]
	return q
}

// quarantine writes a change. A record written anew keeps the time since when its key is in quarantine.
func (w writer) quarantine(c quarantineChange) error {
	for hashes := range batches(c.gone, w.maxBytes, func(hash) int { return sha256.Size }) {
		args := make([]any, 0, len(hashes))
		for _, h := range hashes {
			args = append(args, h[:])
		}
		query := "DELETE FROM css_mirror_quarantine WHERE key_hash IN (" + placeholders("?", len(hashes)) + ")"
		if _, err := w.tx.ExecContext(w.ctx, query, args...); err != nil {
			return err
		}
	}
	size := func(q plan.Quarantined) int { return maxKeyShown + len(q.Detail) }
	for records := range batches(c.record, w.maxBytes, size) {
		args := make([]any, 0, 6*len(records))
		for _, q := range records {
			h := sha256.Sum256([]byte(q.Key))
			args = append(args, h[:], []byte(shown(q).Key), []byte(q.Reason), []byte(q.Detail), q.Mod, q.ValueBytes)
		}
		query := `INSERT INTO css_mirror_quarantine (
		key_hash, css_key, reason, detail, mod_revision, value_bytes, since) VALUES ` +
			placeholders("(?,?,?,?,?,?,UTC_TIMESTAMP(6))", len(records)) + ` ON DUPLICATE KEY UPDATE reason = VALUES(reason),
			detail = VALUES(detail), mod_revision = VALUES(mod_revision), value_bytes = VALUES(value_bytes)`
		if _, err := w.tx.ExecContext(w.ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

func loadRecords(ctx context.Context, q querier) (Records, error) {
	stored := Records{}
	err := eachQuarantined(ctx, q, "", func(h hash, e Quarantined) { stored[h] = e.Quarantined })
	return stored, err
}

// Quarantined is a key that kvData cannot hold, as css_mirror_quarantine shows it: of a key longer than 1,024 bytes the
// beginning.
type Quarantined struct {
	plan.Quarantined
	Since time.Time // by the server's clock
}

// ReadQuarantine returns what is in quarantine, in the byte order of the keys, at most limit of it; 0 is no limit. It
// fails as [ReadState] does.
func ReadQuarantine(ctx context.Context, target *mysql.Config, limit int) (out []Quarantined, err error) {
	suffix := " ORDER BY css_key"
	if limit > 0 {
		suffix += fmt.Sprintf(" LIMIT %d", limit)
	}
	err = reading(ctx, target, func(c *connection) error {
		err := eachQuarantined(ctx, c, suffix, func(_ hash, e Quarantined) { out = append(out, e) })
		if mysqlconn.Is(err, mysqlconn.ErNoSuchTable) {
			return fmt.Errorf("%w: %w", ErrNoMirror, err)
		}
		return err
	})
	return out, err
}

func eachQuarantined(ctx context.Context, q querier, suffix string, call func(hash, Quarantined)) error {
	rows, err := q.QueryContext(ctx,
		"SELECT key_hash, css_key, reason, detail, mod_revision, value_bytes, since FROM css_mirror_quarantine"+suffix)
	if err != nil {
		return fmt.Errorf("read css_mirror_quarantine: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h []byte
		var e Quarantined
		if err := rows.Scan(&h, &e.Key, &e.Reason, &e.Detail, &e.Mod, &e.ValueBytes, &e.Since); err != nil {
			return fmt.Errorf("read css_mirror_quarantine: %w", err)
		}
		if len(h) == sha256.Size {
			call(hash(h), e)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read css_mirror_quarantine: %w", err)
	}
	return nil
}
