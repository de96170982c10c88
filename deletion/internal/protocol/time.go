package protocol

import "time"

// Time is one reading of the clocks of a process: since whenever, by a clock that is never set and stands still while
// the machine sleeps (Mono), and by one that goes on but can be set (Wall).
type Time struct {
	Mono time.Duration `json:"mono"`
	Wall time.Duration `json:"wall"`
}

// Age returns for how long at most an earlier reading has been past: it may be too much, when the wall clock was set,
// so a proof can only end early by it.
func (t Time) Age(earlier Time) time.Duration {
	return max(t.Mono-earlier.Mono, t.Wall-earlier.Wall)
}

// Waited returns for how long at least an earlier reading has been past: it may be too little, so a wait can only be
// too long.
func (t Time) Waited(earlier Time) time.Duration { return t.Mono - earlier.Mono }
