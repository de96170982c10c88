package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// WorkerFlags say where the MySQL servers of workers are.
type WorkerFlags struct {
	flags   *pflag.FlagSet
	dsns    []string
	files   []string
	Servers []*mysql.Config
}

var workerFlagNames = []string{"worker-dsn", "worker-dsn-file"}

// Register registers them; use says what the servers are for, after "MySQL server to".
func (f *WorkerFlags) Register(cmd *cobra.Command, use string) {
	f.flags = cmd.Flags()
	f.flags.StringArrayVar(&f.dsns, "worker-dsn", nil,
		"MySQL server to "+use+", as user:password@tcp(host:port)/ or mysql://user:password@host:port; may be repeated")
	f.flags.StringArrayVar(&f.files, "worker-dsn-file", nil,
		"file that holds what --worker-dsn would be given, one in a line; may be repeated")
	AllowEnvironment(f.flags, workerFlagNames, OwnPrefix)
	Alternatives(f.flags, workerFlagNames...)
	NameFiles(f.flags, "worker-dsn-file")
	hides(f.flags, secretDSNs, "worker-dsn")
}

// Read reads where they are. Values may hold one in each line, as files do.
func (f *WorkerFlags) Read(cmd *cobra.Command, dial time.Duration) error {
	f.Servers = nil
	texts := slices.Clone(f.dsns)
	from := slices.Repeat([]string{"worker-dsn"}, len(texts))
	for _, file := range f.files {
		text, err := os.ReadFile(file)
		if err != nil {
			return InvalidUse(cmd, "%s: %w", Source(f.flags, "worker-dsn-file"), err)
		}
		texts, from = append(texts, string(text)), append(from, "worker-dsn-file")
	}
	for i, text := range texts {
		for n, line := range strings.Split(text, "\n") {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			config, err := ParseServer(line, dial)
			if err != nil {
				where := Source(f.flags, from[i])
				if i >= len(f.dsns) {
					where += fmt.Sprintf(": %s, line %d", f.files[i-len(f.dsns)], n+1)
				}
				return InvalidUse(cmd, "%s: %w", where, err)
			}
			f.Servers = append(f.Servers, config)
		}
	}
	if len(texts) > 0 && len(f.Servers) == 0 {
		return InvalidUse(cmd, "%s names no MySQL server", Given(f.flags, workerFlagNames)[0])
	}
	return nil
}

// ParseServer reads where a MySQL server is. Errors never show what may be a password.
func ParseServer(dsn string, dial time.Duration) (*mysql.Config, error) {
	config, err := ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("it is neither of the form user:password@tcp(host:port)/ nor " +
			"mysql://user:password@host:port, with special characters percent-encoded, as %XX")
	}
	if config.Timeout == 0 {
		config.Timeout = dial
	}
	config.Logger = &mysql.NopLogger{} // what matters comes back as an error
	return config, nil
}
