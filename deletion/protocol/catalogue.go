package protocol

import (
	"time"

	"github.com/qserv/css-etcd/internal/kv"
)

// Revision is etcd's.
type Revision = kv.Revision

// Time is a reading of a monotonic clock of one process, since whenever.
type Time = time.Duration

// Name is that of a table or a database: the path of its key.
type Name string

// Standing is what a status means to queries.
type Standing uint8

// The standings. The zero Standing is that of what is not there.
const (
	Gone        Standing = iota
	Ready                // queries may use it
	DropPending          // marked to be dropped
	Unready              // anything else: being made, or failed
)

// Entry is what a revision of the catalogue says of a name. The zero Entry: it is not there.
type Entry struct {
	Standing    Standing
	Incarnation Revision // when its key was created
	Modified    Revision // when its status was written last
}

// Timing are the durations of the protocol.
type Timing struct {
	Confirm time.Duration // c: how often a czar proves that it is registered
	Fence   time.Duration // H: for how long after having sent a proof a czar admits and dispatches
	Wait    time.Duration // W: how long an ending registration is left alone before it is deleted
}
