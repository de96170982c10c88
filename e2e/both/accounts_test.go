package both_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// conflictLog collects what the mirror records, of which it keeps the newest only.
type conflictLog struct {
	mu   sync.Mutex
	last int64
	all  []conflict
}

// collect reads now and then what was recorded, until ctx ends.
func (l *conflictLog) collect(ctx context.Context, db *sql.DB) {
	for ctx.Err() == nil {
		_ = l.more(ctx, db) // the server may be in trouble
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (l *conflictLog) more(ctx context.Context, db *sql.DB) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	rows, err := db.QueryContext(limited, "SELECT id, kind, reason, conn, css_key, before_value, after_value "+
		"FROM css_mirror_conflicts WHERE id > ? ORDER BY id", l.last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var c conflict
		var id int64
		var was, became sql.NullString
		if err := rows.Scan(&id, &c.kind, &c.reason, &c.conn, &c.key, &was, &became); err != nil {
			return err
		}
		c.was, c.became = value{was.Valid, was.String}, value{became.Valid, became.String}
		l.last, l.all = id, append(l.all, c)
	}
	return rows.Err()
}

func (l *conflictLog) read(t *testing.T, db *sql.DB) []conflict {
	t.Helper()
	require.NoError(t, l.more(t.Context(), db))
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

// judgeSQL asks of each change of an SQL writer what became of it.
func (j *judge) judgeSQL() {
	recorded := map[change]bool{}
	for _, c := range j.conflicts {
		recorded[c.change] = true
	}
	for _, tx := range j.sqlTransactions {
		var inEtcd, overruled []string
		for _, e := range tx.edges {
			k := known{e, tx.conn, tx.outcome}
			conflict, there := recorded[k.change()], j.inEtcd(k)
			switch {
			case tx.outcome == undone && e.telling() && e.became.there && (conflict || there):
				j.fault(k.key, describe(k), "was rolled back, and came to be")
			case tx.outcome != committed:
			case !conflict && !there && !j.replaced(k, nil):
				j.fault(k.key, describe(k), "is lost")
			case conflict && there && e.telling() && e.became.there:
				j.fault(k.key, describe(k), "is in etcd, and a conflict")
			}
			switch {
			case tx.outcome != committed || !e.telling():
			case conflict:
				overruled = append(overruled, e.key)
			case there:
				inEtcd = append(inEtcd, e.key)
			}
		}
		if len(inEtcd) > 0 && len(overruled) > 0 {
			j.fault(inEtcd[0], "of one transaction,", inEtcd[0], "is in etcd and", overruled[0], "is a conflict")
		}
	}
}

func describe(k known) string {
	return fmt.Sprintf("the change of %s from %s to %s by connection %d", k.key, k.was, k.became, k.conn)
}

// inEtcd reports whether etcd took a change.
func (j *judge) inEtcd(k known) bool {
	events := j.events[k.key]
	if k.became.there { // what is not telling, a Go program may have written as well
		return slices.ContainsFunc(events, func(e judged) bool {
			return e.now == k.became && (e.taken || k.became.plain())
		})
	}
	// A removal: the key went while it held what was removed, or what Go programs made of that, which removed it as well.
	for i, e := range events {
		if !e.now.there || e.now != k.was && !j.path(k.key, e.now, k.was) {
			continue
		}
		for n, later := range events[i+1:] {
			if !later.now.there && (!later.taken || n == 0) {
				return true
			}
			if later.taken {
				break
			}
		}
	}
	return false
}

// replaced reports whether an SQL writer replaced what a change wrote, by a change that etcd took or that was replaced
// itself. A row that was made and removed before anybody saw it is such a one.
func (j *judge) replaced(k known, by []known) bool {
	if !k.became.there {
		seen := slices.ContainsFunc(j.events[k.key], func(e judged) bool { return e.now == k.was })
		return !seen && j.path(k.key, value{}, k.was)
	}
	for _, next := range j.edges[k.key] {
		if next.was != k.became || slices.Contains(by, next) {
			continue
		}
		if next.outcome == unknown || j.inEtcd(next) || j.replaced(next, append(by, k)) {
			return true
		}
	}
	return false
}

// judgeConflicts wants each conflict to be a change that somebody made.
func (j *judge) judgeConflicts() {
	made := map[change]bool{}
	for _, edges := range j.edges {
		for _, k := range edges {
			made[k.change()] = true
		}
	}
	for _, c := range j.conflicts {
		j.did["conflicts"]++
		if !made[c.change] || c.kind != "conflict" {
			j.fault(c.key, "a", c.kind, "of", c.key, "from", c.was.String(), "to", c.became.String(), "that nobody made:", c.reason)
		}
	}
}
