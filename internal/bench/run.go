package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/qserv/css-etcd/internal/mariadbd"
)

// Sizes say how much is measured.
type Sizes struct {
	Rounds    int   // blocks of each side, after one of each that is thrown away
	LoadRows  []int // rows of the catalogues that are loaded
	LagKeys   int   // keys of the catalogue that changes
	LagEvents int   // changes in a block
	DropKeys  int   // keys of the catalogue from which a table is dropped

	ReadKeys, ReadDatabases int // of the catalogue that is read from
	ReadBatches, ReadPeer   int // our batches of reads and the peer's reads in a block

	SpreadKeys   int   // keys of the catalogue that changes before views and watchers
	SpreadEvents []int // changes in a block, by the number of views
	SpreadViews  []int

	LatencyCzars, LatencyDrops int           // idle czars, and drops in a block
	WritingCzars               int           // registered czars
	WritingDrops               int           // drops of which writes are counted
	WritingTime                time.Duration // for which the writes of idle czars are counted
	AtOnce, AtOnceCzars        int           // drops at once, and idle czars
	BeginTables                int           // of the database whose drop begins
	BeginOthers, BeginChunks   int           // other tables then, and chunks of each

	Family int // databases of one schema
	// keys of catalogues, each larger than the one before; the last is that whose loading and memory are measured
	Growth      []int
	GrownRounds int // Rounds for these
	NamesKeys   int // of the catalogue whose names are asked for
}

// The sizes to choose from.
var (
	Normal = Sizes{Rounds: 5, LoadRows: []int{100_000}, LagKeys: 10_000, LagEvents: 800, DropKeys: 6_629,
		ReadKeys: 100_000, ReadDatabases: 300, ReadBatches: 8_000, ReadPeer: 300,
		SpreadKeys: 10_000, SpreadViews: []int{1, 50}, SpreadEvents: []int{600, 200},
		LatencyCzars: 5, LatencyDrops: 8, WritingCzars: 20, WritingDrops: 3, WritingTime: 10 * time.Second,
		AtOnce: 10_000, AtOnceCzars: 20, BeginTables: 2_000, BeginOthers: 8_000, BeginChunks: 100,
		Family: 500, Growth: []int{10_000, 100_000, 300_000}, GrownRounds: 3, NamesKeys: 1_000_000}
	Long = Sizes{Rounds: 5, LoadRows: []int{100_000, 1_000_000}, LagKeys: 100_000, LagEvents: 1000, DropKeys: 6_629,
		ReadKeys: 100_000, ReadDatabases: 300, ReadBatches: 40_000, ReadPeer: 2_000,
		SpreadKeys: 100_000, SpreadViews: []int{1, 50}, SpreadEvents: []int{2000, 400},
		LatencyCzars: 5, LatencyDrops: 20, WritingCzars: 20, WritingDrops: 10, WritingTime: 30 * time.Second,
		AtOnce: 10_000, AtOnceCzars: 20, BeginTables: 2_000, BeginOthers: 8_000, BeginChunks: 100,
		Family: 500, Growth: []int{10_000, 100_000, 1_000_000}, GrownRounds: 5, NamesKeys: 1_000_000}
	// Quick shows that everything works. Its figures mean nothing.
	Quick = Sizes{Rounds: 1, LoadRows: []int{300}, LagKeys: 100, LagEvents: 5, DropKeys: 100,
		ReadKeys: 300, ReadDatabases: 2, ReadBatches: 8, ReadPeer: 3,
		SpreadKeys: 150, SpreadViews: []int{1, 3}, SpreadEvents: []int{4, 4},
		LatencyCzars: 1, LatencyDrops: 2, WritingCzars: 2, WritingDrops: 1, WritingTime: time.Second, AtOnce: 20,
		AtOnceCzars: 2,
		BeginTables: 5, BeginOthers: 20, BeginChunks: 3,
		Family: 3, Growth: []int{300, 1200, 20_000}, GrownRounds: 1, NamesKeys: 20_000}
)

// Options say what is measured and how.
type Options struct {
	Names    []string     // the benchmarks; none: all
	Sizes    Sizes        // the zero value stands for Normal
	Czar     []string     // the command line by which RunCzar runs in a process of its own, less the endpoint
	Profiles string       // directory for CPU profiles of our side; "": none are taken
	Progress func(string) // is told what happens, a line at a time; nil: nobody is
}

// ErrNothingMeasured says that every benchmark was left out.
var ErrNothingMeasured = errors.New("nothing was measured")

// Run measures and returns the results of all selected benchmarks. Without MariaDB those that need it are left out,
// which Progress is told, unless nothing remains. When one fails or ctx ends, what was measured until then is returned
// with the error.
func Run(ctx context.Context, opts Options) (results []Result, err error) {
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
	shared := &grown{}
	defer func() { err = errors.Join(err, shared.close()) }()
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
func runOne(ctx context.Context, b Benchmark, opts Options, shared *grown) (results []Result, err error) {
	opts.Progress(fmt.Sprintf("%s: %s", b.Name, b.Summary))
	r := &Rig{Sizes: opts.Sizes, czar: opts.Czar, grown: shared, progress: opts.Progress, profiles: opts.Profiles}
	defer func() { err = errors.Join(err, r.close()) }()
	return b.Run(ctx, r)
}
