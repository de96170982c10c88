// Package freeport finds TCP ports on the loopback address for servers that
// tests, the demo and the benchmark start and stop.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The range lies below Linux's default ephemeral ports (32768 and up). A port
// the kernel hands to outgoing connections could be taken between the stop
// and the restart of the server that owns it.
const (
	lowest  = 10000
	highest = 32000
	tries   = 200
)

// ErrNone is returned when no free port was found.
var ErrNone = errors.New("no free TCP port on 127.0.0.1")

var handedOut = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// Pick returns a TCP port on which nobody listens on 127.0.0.1. It never
// returns the same port twice in one process, and another process is unlikely
// to choose the same because the choice is random; nothing holds the port,
// however, until the caller listens on it. Errors wrap [ErrNone].
func Pick() (int, error) {
	handedOut.Lock()
	defer handedOut.Unlock()
	var last error
	for range tries {
		port := lowest + rand.IntN(highest-lowest)
		if handedOut.ports[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		if err := l.Close(); err != nil {
			last = err
			continue
		}
		handedOut.ports[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("%w in %d tries between %d and %d: %w", ErrNone, tries, lowest, highest, last)
}
