package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// Placement is about which nodes hold a chunk.
var Placement = rig.Benchmark{
	Name:    "placement",
	Summary: "looking up which nodes hold a chunk, against a map of slices",
	Run:     measurePlacement,
}

const placementReplicas = 3

// placedTable is a table with chunks in a catalogue on a file.
type placedTable struct {
	snapshot *cssetcd.Snapshot
	name     cssetcd.TableName
	placed   *cssetcd.Placement
	plain    map[int][]string
	asked    []int // ids to look up, in no order
	found    int
}

func newPlacedTable(ctx context.Context, chunks int) (*placedTable, error) {
	t := &placedTable{name: cssetcd.TableName{DB: "D", Table: "T"}}
	dir, err := os.MkdirTemp("", "placement-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // of this benchmark alone
	text, err := json.Marshal(maps.Collect(placementKeys(chunks)))
	if err != nil {
		return nil, err
	}
	path := dir + "/css.json"
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	css, err := cssetcd.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer css.Close() // it was only read
	t.snapshot, err = css.Snapshot(ctx, 0)
	return t, err
}

// placementKeys yields a table of which each chunk is on three of ten nodes.
func placementKeys(chunks int) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) { placementRows(chunks, yield) }
}

func placementRows(chunks int, yield func(string, string) bool) {
	const table = "/DBS/D/TABLES/T"
	for _, kv := range [][2]string{{"/css_meta/version", "1"}, {"/DBS/D", "READY"}, {table, "READY"}} {
		if !yield(kv[0], kv[1]) {
			return
		}
	}
	for id := range chunks {
		for r := range placementReplicas {
			key := fmt.Sprintf("%s/CHUNKS/%d/REPLICAS/%010d/.packed.json", table, id, r+1)
			if !yield(key, fmt.Sprintf(`{"nodeName":"worker-%d"} `, (id+3*r)%10)) {
				return
			}
		}
	}
}

func measurePlacement(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	chunks := r.Sizes.PlacedChunks
	r.Progress(fmt.Sprintf("placement: making a table of %d chunks", chunks))
	t, err := newPlacedTable(ctx, chunks)
	if err != nil {
		return nil, err
	}
	bytes, placed, err := heldBy(func() (*cssetcd.Placement, error) { return t.snapshot.Placement(t.name) })
	if err != nil {
		return nil, err
	}
	t.placed = placed
	peerBytes, plain, err := heldBy(func() (map[int][]string, error) {
		plain := make(map[int][]string, chunks)
		for c, err := range placed.All() {
			if err != nil {
				return nil, err
			}
			plain[c.ID] = slices.Clone(c.Nodes)
		}
		return plain, nil
	})
	if err != nil {
		return nil, err
	}
	t.plain, t.asked = plain, rand.New(rand.NewPCG(1, 2)).Perm(chunks)
	turns, err := r.Turns(ctx, "placement", r.Sizes.Rounds, t.lookUp(func(id int) ([]string, error) {
		return t.placed.Nodes(id)
	}), t.lookUp(func(id int) ([]string, error) { return t.plain[id], nil }))
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("Placement.Nodes of %d chunks with %d replicas each, in no order; peer: a Go map of slices",
		chunks, placementReplicas)
	result, err := turns.Figure("placement", measure.Nanoseconds, versus, measure.Within(3), "look-up")
	if err != nil {
		return nil, err
	}
	replicas := float64(chunks * placementReplicas)
	result.Add("time of a look-up", measure.Nanoseconds, result.Ours, measure.Within(200))
	result.Add("memory of a replica", "B", bytes/replicas, measure.Within(24))
	result.Note("memory of a replica in the map", "B", peerBytes/replicas)
	return []measure.Result{result}, nil
}

// lookUp is a block of look-ups.
func (t *placedTable) lookUp(nodes func(int) ([]string, error)) measure.Block {
	return func(_ context.Context, m *measure.Meter) error {
		return m.Measure(func() error {
			for ids := range slices.Chunk(t.asked, rig.Batch) {
				began := time.Now()
				for _, id := range ids {
					have, err := nodes(id)
					if err != nil {
						return err
					}
					t.found += len(have)
				}
				m.Each("look-up", len(ids), began)
			}
			return nil
		})
	}
}
