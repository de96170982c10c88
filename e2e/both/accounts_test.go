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
	times := map[change]int{} // a connection removes the same row again where the mirror has put it back
	for _, tx := range j.sqlTransactions {
		for _, e := range tx.edges {
			times[known{e, tx.conn, tx.outcome}.change()]++
		}
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
			case !conflict && !there && !j.passed(k):
				j.fault(k.key, describe(k), "is lost")
			case conflict && there && e.telling() && e.became.there:
				j.fault(k.key, describe(k), "is in etcd, and a conflict")
			}
			switch {
			case tx.outcome != committed || !e.telling() || times[k.change()] > 1:
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

// inEtcd reports whether etcd held what a change made, or lost what it removed.
func (j *judge) inEtcd(k known) bool {
	return slices.ContainsFunc(j.events[k.key], func(e judged) bool {
		return e.now == k.became && (e.taken && (e.now.there || e.was == k.was) || k.became.plain())
	})
}

// passed reports whether a change lies on the way from what etcd held to what a mirror made of that; or on one that
// leads back to where it began, of which there was nothing to take; or on one to a removal, where a Go program removed
// the key as well.
func (j *judge) passed(k known) bool {
	events := j.events[k.key]
	if j.leads(k.key, k.became, k.was) {
		return true
	}
	if slices.ContainsFunc(events, func(e judged) bool {
		return e.taken && j.leads(k.key, e.was, k.was) && j.leads(k.key, k.became, e.now)
	}) {
		return true
	}
	return j.leads(k.key, k.became, value{}) &&
		slices.ContainsFunc(events, func(e judged) bool { return !e.taken && !e.now.there }) &&
		slices.ContainsFunc(events, func(e judged) bool {
			return j.leads(k.key, e.was, k.was) || j.leads(k.key, e.now, k.was)
		})
}

// leads reports whether changes lead from one value of a key to another one, if any are needed.
func (j *judge) leads(key string, from, to value) bool { return from == to || j.path(key, from, to) }

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
			j.fault(c.key, "a", c.kind, "of", c.key, "from", c.was.String(), "to", c.became.String(), "that nobody made:",
				c.reason)
		}
	}
}
