package protocol

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Phase is how far a drop has come.
type Phase string

// The phases of a drop.
const (
	Marked   Phase = "marked"   // can be undone
	Dropping Phase = "dropping" // the catalogue has forgotten it; the data are being removed
)

// Policy says what becomes of queries that are running on what is dropped.
type Policy string

// The policies.
const (
	Wait   Policy = "wait"   // the drop waits for them
	Cancel Policy = "cancel" // czars abort them
)

// Terms are how a drop is to go.
type Terms struct {
	Delay  int    `json:"delay"` // D in seconds
	Policy Policy `json:"policy"`
	By     string `json:"by,omitempty"`    // who wanted it, for people
	Since  string `json:"since,omitempty"` // when, by the clock of who wanted it, for people
}

// Stamp returns a time as Terms have it.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Intent is what is kept of a drop.
type Intent struct {
	Incarnation Revision `json:"incarnation"`
	Phase       Phase    `json:"phase"`
	Was         string   `json:"was"` // the status before the mark, which an undrop brings back
	Terms
	Tables []Table `json:"tables,omitempty"` // what to remove; known from Dropping on
	// of etcd; in another one the same incarnation is another table; known from Dropping on
	History  string `json:"history,omitempty"`
	Error    string `json:"error,omitempty"` // why the last attempt to remove the data failed
	Attempts int    `json:"attempts,omitempty"`
	Trouble  string `json:"trouble,omitempty"` // what the attempt that is under way has trouble with
	Retry    int    `json:"retry,omitempty"`   // counts the times that an operator wanted another attempt at once
}

// Table describes a table to whoever removes its data.
type Table struct {
	Table       string   `json:"table"`
	Incarnation Revision `json:"incarnation"`
	ChunkLevel  int      `json:"chunk_level"`
}

// Request is a mark that is to be made later.
type Request struct {
	Incarnation Revision `json:"incarnation"`
	Modified    Revision `json:"modified"` // of the key; a later one withdraws the request
	After       int      `json:"after"`    // A in seconds
	Terms
}

// Registration is what is kept of a czar that has registered.
type Registration struct {
	Name   string `json:"name"`            // host and process, for people
	Fence  string `json:"fence"`           // H
	Since  string `json:"since,omitempty"` // for people
	Ending bool   `json:"ending,omitempty"`
	EndBy  string `json:"end_by,omitempty"` // who ends it
}

// Heartbeat is what a czar writes with each confirmation, for people.
type Heartbeat struct {
	Seen    Revision       `json:"seen"`
	Running map[string]int `json:"running,omitempty"` // queries on what is marked, by name
	Told    map[string]int `json:"told,omitempty"`    // those of them that were told to end and have not
	Trouble string         `json:"trouble,omitempty"` // why acknowledgements do not land
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("protocol: %v", err)) // plain data always have a JSON form
	}
	return string(text)
}

func decode[T any](p kv.Path, e kv.Entry) (T, error) {
	var v T
	if err := json.Unmarshal([]byte(e.Value), &v); err != nil {
		return v, fmt.Errorf("%s holds %.60q: %w", p, e.Value, err)
	}
	return v, nil
}

// Encode returns the texts under which records are kept.
func (i Intent) Encode() string       { return encode(i) }
func (r Request) Encode() string      { return encode(r) }
func (r Registration) Encode() string { return encode(r) }
func (l Heartbeat) Encode() string    { return encode(l) }

// fence returns H; the longest time where it cannot be read.
func (r Registration) fence() (time.Duration, error) { return time.ParseDuration(r.Fence) }

func (t Terms) status() string {
	detail := t.Since
	if t.By != "" {
		detail += ":by=" + t.By
	}
	return string(cssetcd.PendingDrop(detail))
}

func ackPath(mark Revision, id string) kv.Path {
	return acksOf(mark) + "/" + kv.Path(id)
}

func acksOf(mark Revision) kv.Path {
	return csskey.Acks + "/" + kv.Path(strconv.FormatInt(int64(mark), 10))
}

func czarPath(id string) kv.Path  { return csskey.Czars + "/" + kv.Path(id) }
func alivePath(id string) kv.Path { return csskey.Alive + "/" + kv.Path(id) }
