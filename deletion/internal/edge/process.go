package edge

import (
	"fmt"
	"os"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// Owner says who this is, for those who look for the process: its host and number.
func Owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}

// Clock reads both clocks of this process since it was made.
type Clock struct {
	began time.Time
	wall  int64
}

// NewClock returns a clock that begins now.
func NewClock() Clock {
	now := time.Now()
	return Clock{now, now.UnixNano()}
}

// Now returns what both clocks show.
func (c Clock) Now() protocol.Time {
	t := time.Now()
	return protocol.Time{Mono: t.Sub(c.began), Wall: time.Duration(t.UnixNano() - c.wall)}
}
