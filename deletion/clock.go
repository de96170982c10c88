package deletion

import (
	"time"

	"github.com/qserv/css-etcd/deletion/protocol"
)

// clock reads both clocks of this process since it began.
type clock struct {
	began time.Time
	wall  int64
}

func newClock() clock {
	now := time.Now()
	return clock{now, now.UnixNano()}
}

func (c clock) now() protocol.Time {
	t := time.Now()
	return protocol.Time{Mono: t.Sub(c.began), Wall: time.Duration(t.UnixNano() - c.wall)}
}
