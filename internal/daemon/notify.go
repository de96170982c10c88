package daemon

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qserv/css-etcd/internal/cli"
)

// What systemd is told of a service of Type=notify.
const (
	ready    = "READY=1"
	stopping = "STOPPING=1"
	lives    = "WATCHDOG=1"
)

// notify tells systemd how the daemon stands, where systemd started it as a service of Type=notify. Nobody waits for
// the message, so that it cannot be sent is worth a line in the log and no more.
func notify(p *cli.Program, states ...string) {
	name := p.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"}) // "@name" is an abstract socket
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(states, "\n")))
		_ = conn.Close()
	}
	if err != nil {
		p.Log.Warn("sd_notify failed", "socket", name, "err", err)
	}
}

// notifyReloading tells that the daemon begins again, until it says that it is ready. The time is what systemd tells an
// answer to its own signal by.
func notifyReloading(p *cli.Program) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		p.Log.Warn("the clock cannot be read", "err", err)
	}
	notify(p, "RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/int64(time.Microsecond), 10))
}

// watchdogTime is within what time systemd wants to hear that the daemon lives; 0: it does not.
func watchdogTime(p *cli.Program) time.Duration {
	if of := p.Getenv("WATCHDOG_PID"); of != "" && of != strconv.Itoa(os.Getpid()) {
		return 0 // it is another process that is to tell
	}
	microseconds, err := strconv.ParseInt(p.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || microseconds <= 0 {
		return 0
	}
	return time.Duration(microseconds) * time.Microsecond
}
