package workers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/inventory/shm"
)

// SharedMemory is about looking a chunk up in shared memory.
var SharedMemory = rig.Benchmark{
	Name:    "shm-read",
	Summary: "whether a worker serves a chunk, from shared memory, against a map",
	Run: func(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
		dir, err := os.MkdirTemp("", "shm-read-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir) // of this benchmark alone
		b, err := newBlock(filepath.Join(dir, "block"))
		if err != nil {
			return nil, err
		}
		defer b.reader.Close() // it was only read
		turns, err := r.Turns(ctx, "shm-read", r.Sizes.Rounds,
			b.ask(b.reader.Contains), b.ask(func(db string, id int) (bool, error) { return b.plain[db][id], nil }))
		if err != nil {
			return nil, err
		}
		versus := fmt.Sprintf("Contains of %d chunks among %d ids, half of them there, in no order; peer: a Go map from "+
			"databases to maps from ids", len(b.asked), 2*servedChunks)
		result, err := turns.Figure("shm-read", measure.Nanoseconds, versus, measure.Within(2), "look-up")
		return []measure.Result{result}, err
	},
}

type block struct {
	reader *shm.Reader
	plain  map[string]map[int]bool
	asked  []int
}

func newBlock(path string) (*block, error) {
	w, err := shm.OpenWriter(path, "worker-1", 0o600)
	if err != nil {
		return nil, err
	}
	defer w.Close() // what was written stays
	b := &block{plain: map[string]map[int]bool{"LSST": {}, "another": {1: true}}}
	sets := map[string]chunkset.Set{"another": chunkset.MustParse("1")}
	var ids []int
	for i := range servedChunks {
		ids = append(ids, 2*i)
		b.plain["LSST"][2*i] = true
	}
	if sets["LSST"], err = chunkset.Of(ids...); err != nil {
		return nil, err
	}
	if err := w.Write(shm.Image{Revision: 1, Written: time.Now(), Sets: sets}, time.Now()); err != nil {
		return nil, err
	}
	b.asked = rand.New(rand.NewPCG(1, 2)).Perm(2 * servedChunks)
	b.reader, err = shm.OpenReader(path)
	return b, err
}

// looks is how often all are looked up in a block.
const looks = 500

// ask is a block of look-ups.
func (b *block) ask(contains func(string, int) (bool, error)) measure.Block {
	return func(_ context.Context, m *measure.Meter) error {
		return m.Measure(func() error {
			for range looks {
				found, began := 0, time.Now()
				for _, id := range b.asked {
					is, err := contains("LSST", id)
					if err != nil {
						return err
					}
					if is {
						found++
					}
				}
				m.Each("look-up", len(b.asked), began)
				if found != servedChunks {
					return fmt.Errorf("%d chunks were found, and %d are there", found, servedChunks)
				}
			}
			return nil
		})
	}
}
