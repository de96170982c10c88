package main

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

// workerFlags say where the MySQL servers of workers are.
type workerFlags struct {
	flags   *pflag.FlagSet
	dsns    []string
	files   []string
	servers []*mysql.Config
}

var workerFlagNames = []string{"worker-dsn", "worker-dsn-file"}

// register registers them; use says what the servers are for, after "MySQL server to".
func (f *workerFlags) register(cmd *cobra.Command, use string) {
	f.flags = cmd.Flags()
	f.flags.StringArrayVar(&f.dsns, "worker-dsn", nil, "MySQL server to "+use+", as user:password@tcp(host:port)/ or mysql://user:password@host:port; may be repeated")
	f.flags.StringArrayVar(&f.files, "worker-dsn-file", nil, "file that holds what --worker-dsn would be given, one in a line; may be repeated")
	allowEnvironment(f.flags, workerFlagNames, ownPrefix)
}

// given returns those of some flags that were given in any way, as they were.
func given(flags *pflag.FlagSet, names []string) (sources []string) {
	for _, name := range names {
		if s := source(flags, name); s != "" {
			sources = append(sources, s)
		}
	}
	return sources
}

// read reads where they are. Values may hold one in each line, as files do.
func (f *workerFlags) read(cmd *cobra.Command, dial time.Duration) error {
	f.servers = nil
	texts := slices.Clone(f.dsns)
	from := slices.Repeat([]string{"worker-dsn"}, len(texts))
	for _, file := range f.files {
		text, err := os.ReadFile(file)
		if err != nil {
			return invalidUse(cmd, "%s: %w", source(f.flags, "worker-dsn-file"), err)
		}
		texts, from = append(texts, string(text)), append(from, "worker-dsn-file")
	}
	for i, text := range texts {
		for n, line := range strings.Split(text, "\n") {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			config, err := parseServer(line, dial)
			if err != nil {
				where := source(f.flags, from[i])
				if i >= len(f.dsns) {
					where += fmt.Sprintf(": %s, line %d", f.files[i-len(f.dsns)], n+1)
				}
				return invalidUse(cmd, "%s: %w", where, err)
			}
			f.servers = append(f.servers, config)
		}
	}
	if len(texts) > 0 && len(f.servers) == 0 {
		return invalidUse(cmd, "%s names no MySQL server", given(f.flags, workerFlagNames)[0])
	}
	return nil
}

// parseServer reads where a MySQL server is. Errors never show what may be a password.
func parseServer(dsn string, dial time.Duration) (*mysql.Config, error) {
	config, err := parseDSN(dsn)
	if err != nil {
		return nil, errors.New("it is neither of the form user:password@tcp(host:port)/ nor mysql://user:password@host:port, with special characters percent-encoded, as %XX")
	}
	if config.Timeout == 0 {
		config.Timeout = dial
	}
	config.Logger = &mysql.NopLogger{} // what matters comes back as an error
	return config, nil
}
