package sqldrop

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/errlist"
)

// Marker is a table in css_drops that says that a table of one incarnation was taken away, or that it is about to be.
type Marker struct {
	Server string        `json:"server"`
	Name   string        `json:"marker"`
	Of     string        `json:"of"` // what was dropped, in words
	Age    time.Duration `json:"age_ns"`
	Stays  string        `json:"stays,omitempty"` // why it may not be removed; "" for one that is, or would be
}

// attemptSeen is a connection that is an attempt's: it has the schema of the markers for its own.
type attemptSeen struct {
	id   int64
	from string
}

// stays returns why a marker may not be removed; "" when nobody can need it any more. It protects a table that has the
// name now from an attempt that is late. So it may go when the drop has ended, because an attempt asks whether it has,
// once it has its connection and before it takes anything away, and when no attempt has a connection that could have
// asked before that: the markers were listed first, then the drops, then the connections. It is kept for a while
// because an etcd that is restored from a backup may have the drop again.
func (m Marker) stays(underWay map[string]bool, attempts []attemptSeen, keep time.Duration) string {
	_, id, _ := strings.Cut(strings.TrimPrefix(m.Name, "css_"), "_")
	switch {
	case underWay[id]:
		return "its drop has not ended"
	case m.Age < keep:
		return fmt.Sprintf("it is younger than %s, and a backup of etcd may have its drop", keep)
	case len(attempts) > 0:
		return fmt.Sprintf("an attempt to remove data is connected, as process %d from %s, and may be a late one; when it "+
			"has ended, or was killed, try again",
			attempts[0].id, attempts[0].from)
	}
	return ""
}

// Clean removes the markers that nobody can need any more, and returns all that it found, with the reason why one
// stays; with dryRun it removes none. UnderWay returns the drops whose data are being removed, and is asked once the
// markers are listed. A server that fails does not keep the others from being cleaned.
//
// It rests on this: whoever calls Drop on these servers gives jobs with coordinator.Job.Held, as a coordinator does;
// and the user sees the connections of all who do, because they are the same user or because it has the privilege
// PROCESS.
func (d *Dropper) Clean(ctx context.Context, underWay func(context.Context) ([]coordinator.Job, error),
	keep time.Duration, dryRun bool) (all []Marker, err error) {
	var faults *multierror.Error
	for _, server := range d.config.Servers {
		found, err := d.cleanOne(ctx, server, underWay, keep, dryRun)
		all = append(all, found...)
		if err != nil {
			grant := "`GRANT CREATE, DROP, ALTER, INSERT ON " + markers + ".* TO ...`"
			faults = multierror.Append(faults, fmt.Errorf("sqldrop: the MySQL server %s: %w", server.Addr, explain(server.User,
				grant, err)))
		}
	}
	return all, errlist.Join(faults)
}

func (d *Dropper) cleanOne(ctx context.Context, server *mysql.Config, underWay func(context.Context) ([]coordinator.Job,
	error), keep time.Duration, dryRun bool) ([]Marker, error) {
	s, err := openWorker(ctx, server, d.config.LockWait)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	found, err := s.markers(ctx, server.Addr)
	if err != nil || len(found) == 0 {
		return found, err
	}
	jobs, err := underWay(ctx)
	if err != nil {
		return nil, err
	}
	attempts, err := s.attempts(ctx)
	if err != nil {
		return nil, err
	}
	ids := idsOf(jobs)
	for i := range found {
		found[i].Stays = found[i].stays(ids, attempts, keep)
		if found[i].Stays != "" || dryRun {
			continue
		}
		d.at(server, "drop marker")
		if _, err := s.ExecContext(ctx, "DROP TABLE IF EXISTS "+in(markers, found[i].Name)); err != nil {
			return found[:i], err
		}
	}
	return found, nil
}

// idsOf returns what the names of the markers of some jobs end with.
func idsOf(jobs []coordinator.Job) map[string]bool {
	ids := map[string]bool{}
	for _, j := range jobs {
		for _, t := range j.Tables {
			ids[strings.TrimPrefix(marksOf(j, t).spent, spentPrefix)] = true
		}
	}
	return ids
}

// markers lists the markers on a server.
func (s *session) markers(ctx context.Context, addr string) (found []Marker, err error) {
	rows, err := s.QueryContext(ctx, `SELECT TABLE_NAME, TABLE_COMMENT, GREATEST(0, TIMESTAMPDIFF(SECOND, CREATE_TIME, NOW()))
		FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND CREATE_TIME IS NOT NULL ORDER BY TABLE_NAME`, markers)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		m := Marker{Server: addr}
		var seconds int64
		if err := rows.Scan(&m.Name, &m.Of, &seconds); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(m.Name, spentPrefix) && !strings.HasPrefix(m.Name, fencePrefix) {
			continue // somebody else's
		}
		m.Of, m.Age = strings.TrimPrefix(m.Of, "dropped: "), time.Duration(seconds)*time.Second
		found = append(found, m)
	}
	return found, rows.Err()
}

// attempts lists the connections of others that attempts have.
func (s *session) attempts(ctx context.Context) (all []attemptSeen, err error) {
	rows, err := s.QueryContext(ctx, "SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE DB = ? AND ID <> "+
		"CONNECTION_ID() ORDER BY ID", markers)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var a attemptSeen
		if err := rows.Scan(&a.id, &a.from); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}
