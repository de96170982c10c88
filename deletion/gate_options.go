package deletion

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// CzarStep is one step of a czar: what happened, and what was done about it.
type CzarStep struct {
	Event   protocol.CzarEvent
	Effects []protocol.CzarEffect
}

// Replay returns a czar without a process: given the events of a trace, it returns the effects that they have. It is
// for tests.
func Replay(t Timing) func(protocol.CzarEvent) []protocol.CzarEffect {
	czar := protocol.Czar{Timing: t}
	return czar.Step
}

// GateOption configures a Gate. What is wrong with it is reported by OpenGate.
type GateOption func(*gateConfig)

// gateConfig is what the options say.
type gateConfig struct {
	name  string
	log   *slog.Logger
	trace func(CzarStep)
}

// maxNameLength bounds the name of a czar, in bytes. People read it in tables.
const maxNameLength = 200

// CzarName says what operators read where this czar holds a drop up. Without it that is the host and the number of the
// process. It must be of 1 to 200 bytes of printable UTF-8. It need not be unique: czars are told apart by an id.
func CzarName(name string) GateOption { return func(c *gateConfig) { c.name = name } }

// GateLogger receives what is worth knowing and is not returned as an error. Without it nothing is logged. It must not
// be nil.
func GateLogger(log *slog.Logger) GateOption { return func(c *gateConfig) { c.log = log } }

// GateTrace is called with each step, by one goroutine. It is for tests. It must not be nil.
func GateTrace(trace func(CzarStep)) GateOption { return func(c *gateConfig) { c.trace = trace } }

// gateConfigOf reports all that is wrong with options together.
func gateConfigOf(opts []GateOption) (gateConfig, error) {
	c := gateConfig{name: edge.Owner(), log: slog.New(slog.DiscardHandler), trace: func(CzarStep) {}}
	var faults []error
	for i, opt := range opts {
		if opt == nil {
			faults = append(faults, fmt.Errorf("option %d is nil", i+1))
		} else {
			opt(&c)
		}
	}
	unprintable := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if c.name == "" || len(c.name) > maxNameLength || strings.ContainsFunc(c.name, unprintable) {
		faults = append(faults, fmt.Errorf("CzarName: %q is not 1 to %d bytes of printable text", c.name, maxNameLength))
	}
	if c.log == nil {
		faults = append(faults, errors.New("GateLogger: the logger is nil"))
	}
	if c.trace == nil {
		faults = append(faults, errors.New("GateTrace: the function is nil"))
	}
	if len(faults) == 0 {
		return c, nil
	}
	return c, fmt.Errorf("%w: %w", cssetcd.ErrInvalid, edge.Joined(faults))
}
