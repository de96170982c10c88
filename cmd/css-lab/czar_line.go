package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

// wholeWrites keeps the writes of several goroutines apart. What writes a line in one call writes it whole.
type wholeWrites struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *wholeWrites) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// What becomes of a query.
const (
	queryAdmitted = "admitted"
	queryRefused  = "refused"
	queryFinished = "finished"
	queryFailed   = "failed"
	queryInvalid  = "invalid" // the line is none
)

// queryTold is what a czar tells of a query.
type queryTold struct {
	Query   int              `json:"query"` // the number of its line
	Tables  []string         `json:"tables,omitempty"`
	Event   string           `json:"event"`
	Planned cssetcd.Revision `json:"planned,omitempty"`
	Seconds float64          `json:"seconds,omitempty"`
	Chunks  int              `json:"chunk_queries,omitempty"`
	Reason  string           `json:"reason,omitempty"` // a word for the error
	Error   string           `json:"error,omitempty"`
}

// queryLine is a line of czar -w json about a query.
type queryLine struct {
	Time time.Time `json:"time"`
	queryTold
}

// because returns it as the given event, with an error.
func (q queryTold) because(event string, err error) queryTold {
	q.Event, q.Reason, q.Error = event, reasonOf(err), cli.Sentence(err)
	return q
}

// reasonOf is the word for why a query was refused or failed.
func reasonOf(err error) string {
	for _, r := range []struct {
		err  error
		word string
	}{
		{cssetcd.ErrNoSuchTable, "no_such_table"}, {deletion.ErrGone, "gone"}, {deletion.ErrDropPending, "drop_pending"},
		{deletion.ErrNotReady, "not_ready"}, {deletion.ErrStale, "stale"}, {deletion.ErrAborted, "aborted"},
		{deletion.ErrClosed, "closed"},
	} {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	if errors.As(err, new(*mysql.MySQLError)) || errors.Is(err, errWorker) {
		return "sql"
	}
	return "other"
}

// tell prints a line about a query.
func (c *czarRun) tell(q queryTold) error {
	now := time.Now()
	if c.Output.JSON() {
		return cli.WriteJSON(c.out, queryLine{now, q}, "")
	}
	_, err := fmt.Fprintf(c.out, "%s  %s\n", now.Format(clockTime), q.text())
	return err
}

func (q queryTold) text() string {
	if q.Event == queryInvalid {
		return fmt.Sprintf("line %d is no query: %s", q.Query, cli.Cell(q.Error))
	}
	text := fmt.Sprintf("query %d on %s %s", q.Query, cli.Cell(strings.Join(q.Tables, ", ")), q.Event)
	if q.Event == queryAdmitted {
		text += fmt.Sprintf(", planned at revision %d", q.Planned)
	}
	if q.Event == queryFinished || q.Event == queryFailed {
		text += fmt.Sprintf(" after %.1f s", q.Seconds)
	}
	if q.Chunks > 0 {
		text += " and " + cli.Plural(q.Chunks, "chunk query", "chunk queries")
	}
	if q.Error != "" {
		text += ": " + cli.Cell(q.Error)
	}
	return text
}
