package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"
)

// block is one turn of one side. It prepares, measures, and checks that what was measured did its work.
type block func(ctx context.Context, m *Meter) error

// Meter takes the samples of one block. A block can measure several things; each has a series of its own, in a unit of
// its own.
type Meter struct {
	series  map[string][]float64
	units   map[string]string
	profile string // file for a CPU profile of what is measured; "" for none
}

// Add adds a time to a series in milliseconds.
func (m *Meter) Add(series string, d time.Duration) { m.Count(series, "ms", d.Seconds()*1000) }

// Count adds a sample in any unit to a series.
func (m *Meter) Count(series, unit string, value float64) {
	if m.series == nil {
		m.series, m.units = map[string][]float64{}, map[string]string{}
	}
	m.series[series] = append(m.series[series], value)
	m.units[series] = unit
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
	if m.profile == "" {
		return f()
	}
	file, err := os.Create(m.profile)
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
	ours, peer map[string][][]float64
}

// Samples returns a series of ours beside one of the peer's.
func (t Turns) Samples(ours, peer string) Samples { return Samples{t.ours[ours], t.peer[peer]} }

// Turns measures ours and the peer alternately: one block of each that is thrown away, then as many of each as there
// are rounds.
func (r *Rig) Turns(ctx context.Context, name string, ours, peer block) (Turns, error) {
	return r.turns(ctx, name, r.Sizes.Rounds, ours, peer)
}

func (r *Rig) turns(ctx context.Context, name string, rounds int, ours, peer block) (Turns, error) {
	t := Turns{map[string][][]float64{}, map[string][][]float64{}}
	for round := range rounds + 1 {
		label := fmt.Sprintf("%s: round %d of %d", name, round, rounds)
		var mine, theirs Meter
		if round == 0 {
			label = name + ": warm-up"
		} else {
			mine.profile = r.profileOf(name, round)
		}
		if err := r.turn(ctx, label+": ours", ours, &mine); err != nil {
			return t, err
		}
		if err := r.turn(ctx, label+": peer", peer, &theirs); err != nil {
			return t, err
		}
		if round > 0 {
			collect(t.ours, mine.series)
			collect(t.peer, theirs.series)
		}
	}
	return t, nil
}

// profileOf returns the file for the profile of a round; "" when none is wanted.
func (r *Rig) profileOf(name string, round int) string {
	if r.profiles == "" {
		return ""
	}
	return filepath.Join(r.profiles, fmt.Sprintf("%s-%d.pprof", name, round))
}

func collect(into map[string][][]float64, series map[string][]float64) {
	for name, samples := range series {
		into[name] = append(into[name], samples)
	}
}

// longestTurn is more than any turn takes; one that takes longer waits for what will not come.
const longestTurn = 10 * time.Minute

func (r *Rig) turn(ctx context.Context, label string, b block, m *Meter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longestTurn)
	defer cancel()
	if err := b(ctx, m); err != nil {
		return fmt.Errorf("%s: %w", label, err)
	}
	for series, samples := range m.series {
		r.progress(fmt.Sprintf("%s: %s %s", label, series, describe(samples, m.units[series])))
	}
	return nil
}

func describe(samples []float64, unit string) string {
	if len(samples) == 1 {
		return fmt.Sprintf("%.4g %s", samples[0], unit)
	}
	return fmt.Sprintf("median %.4g %s of %d", median(samples), unit, len(samples))
}
