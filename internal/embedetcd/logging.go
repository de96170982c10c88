package embedetcd

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newZap returns a zap logger that hands its messages to a slog logger, or
// discards them when there is none. Etcd calls Fatal and Panic where it cannot
// go on. Once stopping is done, errors are passed on as debug: etcd reports
// every listener that a stop closes as a failure.
func newZap(to *slog.Logger, fatal func(string), stopping context.Context) *zap.Logger {
	core := zapcore.NewNopCore()
	if to != nil {
		core = &slogCore{handler: to.Handler(), stopping: stopping}
	}
	return zap.New(core, zap.WithFatalHook(last(fatal)), zap.WithPanicHook(last(fatal)))
}

// last is what happens at etcd's last message.
type last func(reason string)

// OnWrite panics with the message unless it was passed on to somebody who
// ends the process: a silent exit would leave nothing to look at.
func (l last) OnWrite(entry *zapcore.CheckedEntry, fields []zapcore.Field) {
	reason := entry.Message
	for _, field := range fields {
		if err, ok := field.Interface.(error); ok {
			reason += ": " + err.Error()
		}
	}
	if l != nil {
		l(reason)
	}
	panic(reason)
}

// slogCore is a zap core on a slog handler.
type slogCore struct {
	handler  slog.Handler
	stopping context.Context
}

var _ zapcore.Core = (*slogCore)(nil)

func (c *slogCore) level(level zapcore.Level) slog.Level {
	switch {
	case level <= zapcore.InfoLevel:
		return slog.LevelDebug
	case level <= zapcore.ErrorLevel && c.stopping.Err() != nil:
		return slog.LevelDebug
	case level == zapcore.WarnLevel:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

func (c *slogCore) Enabled(level zapcore.Level) bool {
	// Etcd's own debug level would be a message for each request.
	return level >= zapcore.InfoLevel && c.handler.Enabled(context.Background(), c.level(level))
}

func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{handler: c.handler.WithAttrs(attrs(fields)), stopping: c.stopping}
}

func (c *slogCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c *slogCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	record := slog.NewRecord(entry.Time, c.level(entry.Level), "etcd: "+entry.Message, 0)
	record.AddAttrs(attrs(fields)...)
	return c.handler.Handle(context.Background(), record)
}

func (c *slogCore) Sync() error { return nil }

func attrs(fields []zapcore.Field) []slog.Attr {
	encoder := zapcore.NewMapObjectEncoder()
	out := make([]slog.Attr, 0, len(fields))
	for _, field := range fields {
		field.AddTo(encoder)
		if value, ok := encoder.Fields[field.Key]; ok {
			out = append(out, slog.Any(field.Key, value))
		}
	}
	return out
}
