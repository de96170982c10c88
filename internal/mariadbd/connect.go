package mariadbd

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Dir returns the server's directory.
func (s *Server) Dir() string { return s.dir }

// LogFile returns the path of the file that the server logs to.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "mariadbd.log") }

// Socket returns the path of the server's unix socket.
func (s *Server) Socket() string { return s.socket }

// Port returns the server's TCP port on 127.0.0.1, or 0 when it has none.
func (s *Server) Port() int { return s.port }

// Addr returns the server's TCP address as host:port, or "" when it has none.
func (s *Server) Addr() string {
	if s.port == NoPort {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Config returns a fresh driver configuration for root through the unix
// socket. Db may be empty. The driver's own messages are switched off: killing
// the server is what it is for, and the driver would report each connection
// that breaks on standard error.
func (s *Server) Config(db string) *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.User = "root"
	cfg.Net = "unix"
	cfg.Addr = s.socket
	cfg.DBName = db
	cfg.Logger = &mysql.NopLogger{}
	return cfg
}

// DSN returns the data source name for root through the unix socket, for the
// driver "mysql". Db may be empty.
func (s *Server) DSN(db string) string { return s.Config(db).FormatDSN() }

// awaitReady returns nil when the server has answered a ping. It gives up when
// the process ends or ctx does. An answer alone does not do: with a second
// server on the same directory it would come from the first, so the process id
// that the answering server wrote down has to be the right one too.
func (s *Server) awaitReady(ctx context.Context, proc *process) error {
	connector, err := mysql.NewConnector(s.Config(""))
	if err != nil {
		return fmt.Errorf("mariadbd: connect: %w", err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			if err = s.checkPIDFile(proc.cmd.Process.Pid); err == nil {
				return nil
			}
		}
		select {
		case <-proc.done:
			return fmt.Errorf("mariadbd: the server ended during its start: %w", proc.exit())
		case <-ctx.Done():
			return fmt.Errorf("mariadbd: wait for the server to answer (%w): last answer: %w", ctx.Err(), err)
		case <-retry.C:
		}
	}
}

func (s *Server) checkPIDFile(want int) error {
	content, err := os.ReadFile(filepath.Join(s.dir, "mariadbd.pid"))
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(content)); got != strconv.Itoa(want) {
		return fmt.Errorf("process %s uses the directory %s", got, s.dir)
	}
	return nil
}
