// Command mutants changes lines of a package, one at a time, and looks whether a test notices. The tree stays as it is:
// the changed file is laid over it while a test binary is built. It fails when a mutant survives that the document
// gives no reason for.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

type options struct {
	goTool   string
	every    int
	seed     uint64
	files    *regexp.Regexp
	run      string
	slowest  time.Duration
	parallel int
	reasons  string // texts, in which mutants are named
	only     string
	verbose  bool
}

// alsoTestedBy are packages whose tests are meant for another one, too.
var alsoTestedBy = map[string][]string{
	"deletion/coordinator":       {"deletion"},
	"deletion/internal/protocol": {"deletion/simulation"},
}

func main() {
	left, err := run()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case left > 0:
		os.Exit(1)
	}
}

// run returns how many mutants survive without a reason.
func run() (left int, err error) {
	var o options
	flag.StringVar(&o.goTool, "go", "go", "the go command")
	flag.IntVar(&o.every, "every", 1, "tries one of so many mutants")
	flag.Uint64Var(&o.seed, "seed", 1, "says which of them")
	files := flag.String("files", "", "changes only the files whose path this expression matches")
	flag.StringVar(&o.run, "run", ".", "uses only the tests that this expression matches")
	flag.DurationVar(&o.slowest, "slowest", time.Minute, "leaves tests out that take longer")
	flag.IntVar(&o.parallel, "parallel", 2, "tries so many at once")
	reasons := flag.String("reasons", "docs/MUTANTS.md", "has the reasons of those that may survive")
	only := flag.String("only", "", "tries only what this file names, such as an earlier output, with a reason or not")
	flag.BoolVar(&o.verbose, "v", false, "tells of those that were noticed, too, and by what")
	flag.Parse()
	for path, text := range map[*string]*string{reasons: &o.reasons, only: &o.only} {
		if *path != "" {
			read, err := os.ReadFile(*path)
			if err != nil {
				return 0, err
			}
			*text = string(read)
		}
	}
	if o.files, err = regexp.Compile(*files); err != nil {
		return 0, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, pkg := range flag.Args() {
		n, err := try(ctx, o, filepath.ToSlash(filepath.Clean(pkg)))
		if err != nil {
			return 0, err
		}
		left += n
	}
	return left, nil
}

// named reports whether a text names a mutant.
func named(text string, m mutant) bool { return strings.Contains(text, "`"+m.name+"`") }

// trial tries the mutants of a package, and counts.
type trial struct {
	options
	*source
	tests  []test
	blocks map[block]bool // all there are

	sync.Mutex
	all, noticed, explained, survive int
}

// try tries the mutants of a package and returns how many survive without a reason.
func try(ctx context.Context, o options, pkg string) (int, error) {
	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp)
	s, err := load(ctx, o.goTool, pkg)
	if err != nil {
		return 0, err
	}
	t := &trial{options: o, source: s, blocks: map[block]bool{}}
	for _, by := range append([]string{pkg}, alsoTestedBy[pkg]...) {
		if err := t.baseline(ctx, by, pkg, tmp); err != nil {
			return 0, err
		}
	}
	all, err := s.mutants(o)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	fmt.Printf("%s: %d mutants, %d tests\n", pkg, len(all), len(t.tests))
	files, rest := s.together(all)
	shared, err := t.build(ctx, files, tmp)
	if err != nil {
		return 0, err
	}
	var trying errgroup.Group
	trying.SetLimit(o.parallel)
	for i, m := range all {
		trying.Go(func() error {
			explained := named(o.reasons, m)
			if o.only == "" && explained {
				t.note(m, "", true)
				return nil
			}
			built := shared
			if slices.Contains(rest, i+1) {
				var err error
				if built, err = t.build(ctx, map[string]string{m.file: string(m.apply(s.files[m.file]))}, tmp); err != nil {
					return err
				}
				defer os.RemoveAll(built.dir)
			}
			if noticed := t.attempt(ctx, m, built, i+1); ctx.Err() == nil {
				t.note(m, noticed, explained)
			}
			return nil
		})
	}
	if err := trying.Wait(); err != nil {
		return 0, err
	}
	share := 100 * float64(t.noticed) / float64(max(1, t.all))
	fmt.Printf("| `%s` | %d | %d | %.0f %% | %d | %d |\n", pkg, t.all, t.noticed, share, t.explained, t.survive)
	return t.survive, ctx.Err()
}

// note counts and tells what became of a mutant. What noticed it is "" when nothing did.
func (t *trial) note(m mutant, noticed string, reason bool) {
	t.Lock()
	defer t.Unlock()
	t.all++
	switch {
	case noticed != "":
		t.noticed++
		if t.verbose {
			fmt.Printf("noticed: %s:%d `%s` by %s\n", m.file, m.at.line, m.name, noticed)
		}
	case reason:
		t.explained++
	default:
		t.survive++
		fmt.Printf("survives: %s:%d `%s`, run by %d tests\n", m.file, m.at.line, m.name, len(t.fitting(m)))
	}
}

// attempt runs the tests that run a mutant, the quick ones first. It returns the first that fails.
func (t *trial) attempt(ctx context.Context, m mutant, built binaries, number int) string {
	for _, batch := range batches(t.fitting(m)) {
		var names []string
		limit := 20 * time.Second
		for _, t := range batch {
			names = append(names, t.name)
			limit += 5 * t.took
		}
		b := batch[0].binary
		if failed := b.fails(ctx, built.paths[b], names, limit, number); failed != "" {
			return failed
		}
	}
	return ""
}

// fitting returns the tests that run a mutant: all of them when it is in no statement, as a constant is.
func (t *trial) fitting(m mutant) (fit []test) {
	inside := false
	for at := range t.blocks {
		inside = inside || at.holds(m.file, m.at)
	}
	for _, test := range t.tests {
		if !inside || test.runs(m) {
			fit = append(fit, test)
		}
	}
	return fit
}
