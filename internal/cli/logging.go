package cli

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

type logFlags struct{ level, format string }

func (l *logFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&l.level, "log-level", "info", "log from this level on: debug, info, warn or error")
	flags.StringVar(&l.format, "log-format", "text", "form of the log: text or json")
	AllowEnvironment(flags, []string{"log-level", "log-format"}, OwnPrefix)
}

// logger returns the log, on standard error.
func (l *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, fmt.Errorf("--log-level %q is none of debug, info, warn and error", l.level)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("--log-format %q is neither text nor json", l.format)
}
