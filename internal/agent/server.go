package agent

import (
	"net/http"
	"time"
)

// NewServer returns a server for an agent. A czar's connections stay open for as long as it likes; who may open one is
// who may write the socket.
func NewServer(a *Agent) *http.Server {
	return &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: -1, MaxHeaderBytes: 64 << 10,
		DisableGeneralOptionsHandler: true}
}
