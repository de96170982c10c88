package bench

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/qserv/css-etcd/internal/mariadbd"
)

// Sizes say how much is measured.
type Sizes struct {
	Rounds    int   // blocks of each side, after one of each that is thrown away
	LoadRows  []int // rows of the catalogues that are loaded
	LagKeys   int   // keys of the catalogue that changes
	LagEvents int   // changes in a block
	DropKeys  int   // keys of the catalogue from which a table is dropped
}

// The sizes to choose from.
var (
	Normal = Sizes{Rounds: 5, LoadRows: []int{100_000}, LagKeys: 10_000, LagEvents: 800, DropKeys: 6_629}
	Long   = Sizes{Rounds: 5, LoadRows: []int{100_000, 1_000_000}, LagKeys: 100_000, LagEvents: 1000, DropKeys: 6_629}
	// Quick shows that everything works. Its figures mean nothing.
	Quick = Sizes{Rounds: 1, LoadRows: []int{300}, LagKeys: 100, LagEvents: 5, DropKeys: 100}
)

// Options say what is measured and how.
type Options struct {
	Names    []string     // the benchmarks; none: all
	Sizes    Sizes        // the zero value stands for Normal
	Profiles string       // directory for CPU profiles of our side; "": none are taken
	Progress func(string) // is told what happens, a line at a time; nil: nobody is
}

// ErrNothingMeasured says that every benchmark was left out.
var ErrNothingMeasured = errors.New("nothing was measured")

// Run measures and returns the results of all selected benchmarks. Without MariaDB those that need it are left out, which
// Progress is told, unless nothing remains. When one fails or ctx ends, what was measured until then is returned with the error.
func Run(ctx context.Context, opts Options) ([]Result, error) {
	selected, err := Select(opts.Names)
	if err != nil {
		return nil, err
	}
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	if opts.Sizes.Rounds == 0 {
		opts.Sizes = Normal
	}
	if opts.Profiles != "" {
		if err := os.MkdirAll(opts.Profiles, 0o755); err != nil {
			return nil, fmt.Errorf("create the directory for profiles: %w", err)
		}
	}
	missing := mariadbd.Installed()
	var results []Result
	for _, b := range selected {
		if b.MariaDB && missing != nil {
			opts.Progress(fmt.Sprintf("%s: left out: %v", b.Name, missing))
			continue
		}
		more, err := runOne(ctx, b, opts)
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

// runOne runs one benchmark on servers of its own.
func runOne(ctx context.Context, b Benchmark, opts Options) (results []Result, err error) {
	opts.Progress(fmt.Sprintf("%s: %s", b.Name, b.Summary))
	r := &Rig{Sizes: opts.Sizes, progress: opts.Progress, profiles: opts.Profiles}
	defer func() { err = errors.Join(err, r.close()) }()
	return b.Run(ctx, r)
}
