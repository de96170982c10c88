package deletion

import (
	"time"

	"github.com/qserv/css-etcd/deletion/protocol"
)

// clock reads both clocks of this process since it began.
type clock struct{ began time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() protocol.Time {
	t := time.Now()
	return protocol.Time{Mono: t.Sub(c.began), Wall: time.Duration(t.UnixNano() - c.began.UnixNano())}
}
