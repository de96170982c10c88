package mariadbd

import (
	"errors"
	"fmt"
	"io"
)

// Values of [Options.Port] that are not port numbers.
const (
	NoPort   = 0  // no TCP at all: the unix socket is the only way in
	FreePort = -1 // any free port on 127.0.0.1
)

// Errors that callers tell apart with [errors.Is].
var (
	// ErrNotInstalled says that the MariaDB server programs are not on this machine.
	ErrNotInstalled = errors.New("the MariaDB server is not installed")
	// ErrNotRunning says that the server is stopped: killed, closed or died.
	ErrNotRunning = errors.New("the MariaDB server is not running")
)

// Options say how [Start] runs a server. The zero value is a server in a
// temporary directory without a TCP port.
type Options struct {
	// Dir is the directory of the server. Empty means a temporary directory
	// that Close removes. A Dir that already holds a server's data is used as
	// it is; a Dir given by the caller is never removed.
	Dir string
	// Port is a TCP port on 127.0.0.1, or NoPort, or FreePort.
	Port int
	// Fsync makes every commit wait for the disk, as a production server does.
	// Without it a commit survives the death of the server, which is all that
	// a test can bring about, but not that of the machine.
	Fsync bool
	// Args are further arguments of mariadbd, e.g. "--max-connections=500".
	// They come last and therefore override what this package chooses.
	Args []string
	// ServerLog receives a copy of what the server writes to mariadbd.log.
	// Nil means no copy. It is written to by one goroutine at a time.
	ServerLog io.Writer
}

func (o Options) validate() error {
	if o.Port < FreePort || o.Port > 65535 {
		return fmt.Errorf("mariadbd: port %d is not a TCP port; use 1 to 65535, 0 for none or -1 for any free one", o.Port)
	}
	return nil
}
