package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-multierror"
)

// Timing are the durations of the protocol. They are the same for all czars and coordinators of one catalogue.
type Timing struct {
	Confirm time.Duration // c: how often a czar proves that it is registered
	Fence   time.Duration // H: for how long after having sent a proof a czar admits and dispatches
	Wait    time.Duration // W: how long an ending registration is left alone before it is deleted
	Alive   time.Duration // after which a czar that has not confirmed is taken for silent; whole seconds
	Delay   time.Duration // D: from a mark to the earliest removal, unless a drop says otherwise; whole seconds or 0
}

// DefaultTiming is what a catalogue has that was not told otherwise.
var DefaultTiming = Timing{
	Confirm: 2 * time.Second,
	Fence:   60 * time.Second,
	Wait:    75 * time.Second,
	Alive:   10 * time.Second,
	Delay:   30 * time.Second,
}

// ErrTiming says that durations do not fit together.
var ErrTiming = errors.New("the settings of the deletion protocol do not fit together")

// drift is the share by which a clock may run too fast or too slow.
const drift = 0.1

// Outlasts returns how long to wait on one clock for what lasts for the given time on another to be over, with both at
// their worst.
func Outlasts(fence time.Duration) time.Duration {
	return time.Duration(float64(fence) * (1 + drift) / (1 - drift))
}

// shortestTime keeps czars and coordinators from doing nothing else.
const shortestTime = 20 * time.Millisecond

// shortestLease is what etcd makes of any shorter lease, with its usual election timeout.
const shortestLease = 2 * time.Second

// Check returns all that is wrong with the durations, as one ErrTiming.
func (t Timing) Check() error {
	var faults *multierror.Error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			faults = multierror.Append(faults, fmt.Errorf(format, args...))
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"confirm", t.Confirm}, {"fence", t.Fence}, {"wait", t.Wait}, {"alive", t.Alive}} {
		wrong(d.value < shortestTime || d.value > longestLease, "%s is %s and must be from %s to %s", d.name, d.value,
			shortestTime, longestLease)
	}
	if faults != nil {
		return fmt.Errorf("%w: %w", ErrTiming, joined(faults)) // what follows would calculate with them
	}
	wrong(t.Fence < 4*t.Confirm, "fence is %s and must be at least 4 times confirm, %s, so that a lost confirmation or "+
		"two stop no query", t.Fence, 4*t.Confirm)
	wrong(t.Wait < Outlasts(t.Fence), "wait is %s and must be at least %s, since the clocks of two machines may differ "+
		"by a tenth each and fence is %s",
		t.Wait, Outlasts(t.Fence).Round(time.Millisecond), t.Fence)
	wrong(t.Alive < shortestLease || t.Alive%time.Second != 0,
		"alive is %s and must be whole seconds, at least %s: it is a lease", t.Alive, shortestLease)
	wrong(t.Alive < 2*t.Confirm, "alive is %s and must be at least twice confirm, %s, or czars that do well are taken "+
		"for silent", t.Alive, 2*t.Confirm)
	if err := CheckDelay(t.Delay); err != nil {
		faults = multierror.Append(faults, fmt.Errorf("delay: %w", err))
	}
	if faults == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrTiming, joined(faults))
}

func joined(faults *multierror.Error) error {
	faults.ErrorFormat = func(all []error) string { return errors.Join(all...).Error() }
	return faults
}

// CheckDelay returns what is wrong with a delay that a lease of etcd keeps, if anything.
func CheckDelay(d time.Duration) error {
	if d == 0 || d >= shortestLease && d%time.Second == 0 && d <= longestLease {
		return nil
	}
	return fmt.Errorf("%s: must be 0, or whole seconds from %s to %s, since a lease of etcd keeps the time", d,
		shortestLease, longestLease)
}

// longestLease is a day: each new leader of etcd begins all leases anew, so longer ones might never end.
const longestLease = 24 * time.Hour

// timingJSON is how durations are written: "1m15s".
type timingJSON struct {
	Confirm string `json:"confirm"`
	Fence   string `json:"fence"`
	Wait    string `json:"wait"`
	Alive   string `json:"alive"`
	Delay   string `json:"delay"`
}

// MarshalJSON writes durations as texts.
func (t Timing) MarshalJSON() ([]byte, error) {
	return json.Marshal(timingJSON{t.Confirm.String(), t.Fence.String(), t.Wait.String(), t.Alive.String(),
		t.Delay.String()})
}

// UnmarshalJSON reads what MarshalJSON writes. What is missing keeps its default.
func (t *Timing) UnmarshalJSON(text []byte) error {
	var j timingJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*t = DefaultTiming
	for _, f := range []struct {
		text string
		to   *time.Duration
	}{{j.Confirm, &t.Confirm}, {j.Fence, &t.Fence}, {j.Wait, &t.Wait}, {j.Alive, &t.Alive}, {j.Delay, &t.Delay}} {
		if f.text == "" {
			continue
		}
		d, err := time.ParseDuration(f.text)
		if err != nil {
			return err
		}
		*f.to = d
	}
	return nil
}

// ParseTiming reads the settings as they are kept in etcd, "" for none, and checks them.
func ParseTiming(text string) (Timing, error) {
	if text == "" {
		return DefaultTiming, nil
	}
	var t Timing
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return Timing{}, fmt.Errorf("%w: %w", ErrTiming, err)
	}
	return t, t.Check()
}
