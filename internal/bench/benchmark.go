package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Benchmark measures one thing, in one or several figures.
type Benchmark struct {
	Name    string // what it is selected by; the names of its results begin with it
	Summary string // what is compared with what, in a line
	MariaDB bool   // whether it needs the MariaDB server
	Run     func(ctx context.Context, r *Rig) ([]Result, error)
}

// All returns the benchmarks in the order in which they run.
func All() []Benchmark {
	return []Benchmark{
		tableReadEtcd, tableReadMySQL, propagation, mirrorLoad, mirrorLag, dropTable,
		gateAdmit, dropLatency, etcdWrites, dropsAtOnce,
		// the last share a large etcd, which would weigh on others
		memorySchemas, loadStream, memoryPerKey, dumpJSON, diffJSON, growth, smallQuestions, dropBegin,
	}
}

// Select returns the benchmarks of the given names, all of them for no name. A name selects the benchmark it is the
// name of, or the beginning of the name of, and the one whose result it names.
func Select(names []string) ([]Benchmark, error) {
	all := All()
	if len(names) == 0 {
		return all, nil
	}
	var selected []Benchmark
	for _, b := range all {
		if slices.ContainsFunc(names, b.matches) {
			selected = append(selected, b)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(b Benchmark) bool { return b.matches(name) }) {
			return nil, fmt.Errorf("there is no benchmark %q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	return selected, nil
}

func (b Benchmark) matches(name string) bool {
	return name != "" && (strings.HasPrefix(b.Name, name) || strings.HasPrefix(name, b.Name+"-"))
}

// Names returns the names of all benchmarks.
func Names() []string {
	var names []string
	for _, b := range All() {
		names = append(names, b.Name)
	}
	return names
}
