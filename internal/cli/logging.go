package cli

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/pflag"
)

type logFlags struct {
	level, format string
	from          slog.LevelVar // what is logged; it may change while the program runs
}

func (l *logFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&l.level, "log-level", "info", "log from this level on: debug, info, warn or error")
	flags.StringVar(&l.format, "log-format", "text", "form of the log: text or json")
	AllowEnvironment(flags, []string{"log-level", "log-format"}, OwnPrefix)
}

// logger returns the log, on standard error.
func (l *logFlags) logger(w io.Writer, flags *pflag.FlagSet) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, fmt.Errorf("%s %q is none of debug, info, warn and error", Named(flags, "log-level"), l.level)
	}
	l.from.Set(level)
	opts := &slog.HandlerOptions{Level: &l.from}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("%s %q is neither text nor json", Named(flags, "log-format"), l.format)
}

// TakeLogLevel lets a program log from the same level on as another one, at once.
func (p *Program) TakeLogLevel(other *Program) { p.logging.from.Set(other.logging.from.Level()) }

// LogLevel returns the level from which on the program logs, in words.
func (p *Program) LogLevel() string { return strings.ToLower(p.logging.from.Level().String()) }
