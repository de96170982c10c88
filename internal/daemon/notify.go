package daemon

import (
	"net"

	"github.com/qserv/css-etcd/internal/cli"
)

// notify tells systemd how the daemon stands, where systemd started it as a service of Type=notify. Nobody waits for
// the message, so that it cannot be sent is worth a line in the log and no more.
func notify(p *cli.Program, state string) {
	name := p.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"}) // "@name" is an abstract socket
	if err == nil {
		_, err = conn.Write([]byte(state))
		_ = conn.Close()
	}
	if err != nil {
		p.Log.Warn("sd_notify failed", "socket", name, "err", err)
	}
}
