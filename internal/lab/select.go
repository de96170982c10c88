package lab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/lab/catalogue"
	"github.com/qserv/css-etcd/internal/lab/drops"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/lab/workers"
)

// All returns the benchmarks in the order in which they run.
func All() []rig.Benchmark {
	return []rig.Benchmark{
		catalogue.TableReadEtcd, catalogue.TableReadMySQL, catalogue.Propagation,
		catalogue.HTTPRead, catalogue.WatchFanout,
		catalogue.MirrorLoad, catalogue.MirrorLag, catalogue.MirrorUpdate, catalogue.MirrorDelete, catalogue.MirrorEqual,
		catalogue.InboundLag, catalogue.InboundLoad, catalogue.Import, catalogue.EmptyChunks, catalogue.Placement,
		workers.Propagation, workers.SharedMemory,
		drops.Table,
		drops.Admit, drops.MayDispatch, drops.Latency, drops.Writes, drops.AtOnce,
		// the last share a large etcd, which would weigh on others
		catalogue.MemorySchemas, catalogue.LoadStream, catalogue.MemoryPerKey, catalogue.Dump, catalogue.Diff,
		catalogue.Growth, catalogue.Names, drops.Mark,
	}
}

// Select returns the benchmarks of the given names, all of them for no name. A name selects what it
// [rig.Benchmark.Matches].
func Select(names []string) ([]rig.Benchmark, error) {
	all := All()
	if len(names) == 0 {
		return all, nil
	}
	var selected []rig.Benchmark
	for _, b := range all {
		if slices.ContainsFunc(names, b.Matches) {
			selected = append(selected, b)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(b rig.Benchmark) bool { return b.Matches(name) }) {
			return nil, fmt.Errorf("there is no benchmark %q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	return selected, nil
}

// Names returns the names of all benchmarks.
func Names() []string {
	var names []string
	for _, b := range All() {
		names = append(names, b.Name)
	}
	return names
}
