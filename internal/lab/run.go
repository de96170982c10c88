package lab

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/mariadbd"
)

// Options say what is measured and how.
type Options struct {
	Names    []string     // the benchmarks; none: all
	Sizes    rig.Sizes    // the zero value stands for Normal
	Czar     []string     // the command line by which RunCzar runs in a process of its own, less the endpoint
	Profiles string       // directory for CPU profiles of our side; "": none are taken
	Progress func(string) // is told what happens, a line at a time; nil: nobody is
}

// ErrNothingMeasured says that every benchmark was left out.
var ErrNothingMeasured = errors.New("nothing was measured")

// Run measures and returns the results of all selected benchmarks. Without MariaDB those that need it are left out,
// which Progress is told, unless nothing remains. When one fails or ctx ends, what was measured until then is returned
// with the error.
func Run(ctx context.Context, opts Options) (results []measure.Result, err error) {
	selected, err := Select(opts.Names)
	if err != nil {
		return nil, err
	}
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	if opts.Sizes.Rounds == 0 {
		opts.Sizes = rig.Normal
	}
	if opts.Profiles != "" {
		if err := os.MkdirAll(opts.Profiles, 0o755); err != nil {
			return nil, fmt.Errorf("create the directory for profiles: %w", err)
		}
	}
	missing := mariadbd.Installed()
	shared := &rig.Grown{}
	defer func() { err = errors.Join(err, shared.Close()) }()
	for _, b := range selected {
		if b.MariaDB && missing != nil {
			opts.Progress(fmt.Sprintf("%s: left out: %v", b.Name, missing))
			continue
		}
		more, err := runOne(ctx, b, opts, shared)
		results = append(results, more...)
		if err != nil {
			return results, err
		}
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrNothingMeasured, missing)
	}
	return results, nil
}

// runOne runs one benchmark on servers of its own, but for what those that change nothing share.
func runOne(ctx context.Context, b rig.Benchmark, opts Options,
	shared *rig.Grown) (results []measure.Result, err error) {
	opts.Progress(fmt.Sprintf("%s: %s", b.Name, b.Summary))
	r := &rig.Rig{Bench: measure.Bench{Progress: opts.Progress, Profiles: opts.Profiles},
		Sizes: opts.Sizes, Czar: opts.Czar, Grown: shared}
	defer func() { err = errors.Join(err, r.Close()) }()
	return b.Run(ctx, r)
}
