package report

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Conflict is the form of a change of others that etcd did not take. A value that is null says that there was no row.
type Conflict struct {
	ID          int64      `json:"id"`
	Seen        time.Time  `json:"seen"` // when it was recorded
	Kind        string     `json:"kind"`
	Reason      string     `json:"reason"`
	Explanation string     `json:"explanation"` // of the reason
	Detail      string     `json:"detail"`
	Key         string     `json:"key"`
	Before      *string    `json:"before"` // what kvData held before
	Wrote       *string    `json:"wrote"`  // what was written there
	Etcd        *string    `json:"etcd"`   // what etcd held, which kvData shows instead
	Revision    int64      `json:"revision"`
	Writer      string     `json:"writer"`
	Connection  int64      `json:"connection"`
	Written     *time.Time `json:"written"` // null: nobody knows
}

// NewConflict returns the form of a conflict.
func NewConflict(c kvdata.ConflictRecord) Conflict {
	v := Conflict{
		ID: c.ID, Seen: c.Seen.UTC(), Kind: c.Kind, Reason: c.Reason, Explanation: inbox.Reason(c.Reason).Explanation(),
		Detail: c.Detail, Key: text(c.Key), Before: valueText(c.Before), Wrote: valueText(c.After), Etcd: valueText(c.Etcd),
		Revision: int64(c.Revision), Writer: c.Writer, Connection: c.Conn,
	}
	if !c.At.IsZero() {
		at := c.At.UTC()
		v.Written = &at
	}
	return v
}

func valueText(v inbox.Value) *string {
	if !v.There {
		return nil
	}
	return &v.Text
}

// Write writes it for people to read.
func (v Conflict) Write(w io.Writer) {
	written := ""
	if v.Written != nil {
		written = v.Written.Format(time.RFC3339)
	}
	cli.Facts{
		{"conflict", strconv.FormatInt(v.ID, 10)}, {"key", v.Key}, {"kind", v.Kind},
		{"reason", v.Reason + ": " + v.Explanation}, {"in this case", v.Detail},
		{"kvData held", orNothing(v.Before)}, {"others wrote", orNothing(v.Wrote)}, {"etcd held", orNothing(v.Etcd)},
		{"decided at", fmt.Sprintf("revision %d", v.Revision)},
		{"written by", fmt.Sprintf("%s, connection %d", v.Writer, v.Connection)}, {"written", written},
		{"recorded", v.Seen.Format(time.RFC3339)},
	}.Write(w)
}

func orNothing(value *string) string {
	switch {
	case value == nil:
		return "nothing"
	case *value == "":
		return `""`
	}
	return *value
}

// Conflicts are forms of conflicts, the newest first.
type Conflicts []Conflict

// NewConflicts returns the forms of conflicts.
func NewConflicts(list []kvdata.ConflictRecord) Conflicts {
	all := Conflicts{} // and not null in JSON
	for _, c := range list {
		all = append(all, NewConflict(c))
	}
	return all
}

// Write writes them for people to read. Total is how many there are.
func (c Conflicts) Write(w io.Writer, total int) {
	if total == 0 {
		fmt.Fprintln(w, "no conflict is on record")
		return
	}
	t := cli.Table{Header: []string{"ID", "RECORDED", "KIND", "REASON", "KEY", "OTHERS WROTE", "ETCD HELD", "WRITER"}}
	for _, v := range c {
		t.Rows = append(t.Rows, []string{strconv.FormatInt(v.ID, 10), v.Seen.Format(time.RFC3339), v.Kind, v.Reason,
			v.Key, cli.Shorten(orNothing(v.Wrote)), cli.Shorten(orNothing(v.Etcd)), v.Writer})
	}
	t.Write(w)
	if more := total - len(c); more > 0 {
		fmt.Fprintf(w, "and %d more; --limit 0 shows all\n", more)
	}
}
