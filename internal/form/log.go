package form

import (
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/history"
)

// Logged is the form of what one revision changed, and by whom.
type Logged struct {
	Revision  cssetcd.Revision `json:"revision"`
	Time      *time.Time       `json:"time"`      // by the clock of the author; null: not known, as below
	Author    *string          `json:"author"`    // what a writer says of itself, or what its keys give away
	Operation *string          `json:"operation"` // of the library
	Signed    bool             `json:"signed"`    // it was written by the library, which says of itself who it is
	Changes   []string         `json:"changes"`   // in words
}

// OfLogged returns the form of an entry of the history.
func OfLogged(e history.Entry) Logged {
	f := Logged{Revision: e.Revision, Author: orNull(e.Author), Operation: orNull(e.Operation), Signed: e.Signed,
		Changes: e.Changes}
	if !e.Time.IsZero() {
		f.Time = &e.Time
	}
	return f
}

// Log is the form of a part of the history, the newest first.
type Log struct {
	Entries  []Logged         `json:"entries"`
	Revision cssetcd.Revision `json:"revision"` // up to which was looked; what follows begins one after it
	Begins   cssetcd.Revision `json:"begins"`   // the first of which etcd still knows what it changed
	Complete bool             `json:"complete"` // nothing was left out for being too many
}

// OfLog returns the form of a history up to a revision.
func OfLog(l history.Log, to cssetcd.Revision) Log {
	f := Log{Entries: []Logged{}, Revision: to, Begins: l.Begins, Complete: l.Complete}
	for _, e := range l.Entries {
		f.Entries = append(f.Entries, OfLogged(e))
	}
	return f
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
