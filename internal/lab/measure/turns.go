package measure

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"
)

// Block is one turn of one side. It prepares, measures, and checks that what was measured did its work.
type Block func(ctx context.Context, m *Meter) error

// Meter takes the samples of one block. A block can measure several things; each has a series of its own, in a unit of
// its own.
type Meter struct {
	Series  map[string][]float64
	units   map[string]string
	Profile string // file for a CPU profile of what is measured; "" for none
}

// Add adds a time to a series in milliseconds.
func (m *Meter) Add(series string, d time.Duration) { m.Count(series, "ms", d.Seconds()*1000) }

// Count adds a sample in any unit to a series.
func (m *Meter) Count(series, unit string, value float64) {
	if m.Series == nil {
		m.Series, m.units = map[string][]float64{}, map[string]string{}
	}
	m.Series[series] = append(m.Series[series], value)
	m.units[series] = unit
}

// Nanoseconds is the unit of [Meter.Each].
const Nanoseconds = "ns"

// Each adds the time that each of n things took that were done since began, in nanoseconds.
func (m *Meter) Each(series string, n int, began time.Time) {
	m.Count(series, Nanoseconds, float64(time.Since(began).Nanoseconds())/float64(n))
}

// Time adds the time that f takes as a sample.
func (m *Meter) Time(series string, f func() error) error {
	return m.Measure(func() error {
		began := time.Now()
		err := f()
		m.Add(series, time.Since(began))
		return err
	})
}

// Measure runs f, which adds the samples itself, and profiles it when that is asked for. The garbage of what came
// before is collected first, so that f does not pay for it.
func (m *Meter) Measure(f func() error) (err error) {
	runtime.GC()
	if m.Profile == "" {
		return f()
	}
	file, err := os.Create(m.Profile)
	if err != nil {
		return fmt.Errorf("create the profile: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("write the profile: %w", closeErr)
		}
	}()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("start the profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}

// Turns are the series of both sides, one list of samples for each block.
type Turns struct {
	Ours, Peer map[string][][]float64
}

// Samples returns a series of ours beside one of the peer's.
func (t Turns) Samples(ours, peer string) Samples { return Samples{t.Ours[ours], t.Peer[peer]} }

// Bench is where the two sides take turns.
type Bench struct {
	Progress func(line string) // is told what happens
	Profiles string            // directory for CPU profiles of our side; "" for none
}

// Turns measures ours and the peer alternately: one block of each that is thrown away, then as many of each as there
// are rounds.
func (b Bench) Turns(ctx context.Context, name string, rounds int, ours, peer Block) (Turns, error) {
	t := Turns{map[string][][]float64{}, map[string][][]float64{}}
	for round := range rounds + 1 {
		label := fmt.Sprintf("%s: round %d of %d", name, round, rounds)
		var mine, theirs Meter
		if round == 0 {
			label = name + ": warm-up"
		} else {
			mine.Profile = b.ProfileOf(name, round)
		}
		if err := b.turn(ctx, label+": ours", ours, &mine); err != nil {
			return t, err
		}
		if err := b.turn(ctx, label+": peer", peer, &theirs); err != nil {
			return t, err
		}
		if round > 0 {
			collect(t.Ours, mine.Series)
			collect(t.Peer, theirs.Series)
		}
	}
	return t, nil
}

// ProfileOf returns the file for the profile of a round; "" when none is wanted.
func (b Bench) ProfileOf(name string, round int) string {
	if b.Profiles == "" {
		return ""
	}
	return filepath.Join(b.Profiles, fmt.Sprintf("%s-%d.pprof", name, round))
}

func collect(into map[string][][]float64, series map[string][]float64) {
	for name, samples := range series {
		into[name] = append(into[name], samples)
	}
}

// longestTurn is more than any turn takes; one that takes longer waits for what will not come.
const longestTurn = 10 * time.Minute

func (b Bench) turn(ctx context.Context, label string, side Block, m *Meter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longestTurn)
	defer cancel()
	if err := side(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", label, err)
	}
	for series, samples := range m.Series {
		b.Progress(fmt.Sprintf("%s: %s %s", label, series, describe(samples, m.units[series])))
	}
	return nil
}

func describe(samples []float64, unit string) string {
	if len(samples) == 1 {
		return fmt.Sprintf("%.4g %s", samples[0], unit)
	}
	return fmt.Sprintf("median %.4g %s of %d", Median(samples), unit, len(samples))
}
