package rig

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/family"
)

// Busy is a view of a catalogue that others write to, and tables that are read from it.
type Busy struct {
	Etcd  *clientv3.Client
	CSS   *cssetcd.Client
	View  *cssetcd.View
	Names []cssetcd.TableName // those of the queries of a moment
	All   []cssetcd.TableName
}

// What is read, and written meanwhile.
const (
	Batch       = 1000             // reads in a row: the clock is asked once a batch, as it costs a third of a read
	WriteEvery  = time.Millisecond // 1,000 changes a second
	TablesInUse = 64               // by the queries of a moment
	FreeOfReads = 0.01             // allocations a read that may be those of etcd in the same process
)

// Busy returns such a catalogue.
func (r *Rig) Busy(ctx context.Context) (*Busy, error) {
	s := family.Shape{Prefix: cssetcd.DefaultPrefix, Databases: r.Sizes.ReadDatabases, Keys: r.Sizes.ReadKeys}
	css, err := r.Family(ctx, s)
	if err != nil {
		return nil, err
	}
	b := &Busy{Etcd: css.Etcd(), CSS: css, All: Spread(s.Tables(), math.MaxInt)}
	b.Names = b.All[:min(TablesInUse, len(b.All))]
	b.View, err = r.View(ctx, b.CSS)
	return b, err
}

// Spread returns some of all, from everywhere, in no order.
func Spread[T any](all []T, some int) []T {
	some = min(some, len(all))
	out := make([]T, 0, some)
	for i := range some {
		out = append(out, all[i*len(all)/some])
	}
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// Write changes one table after another until ctx ends: those that are read and all others.
func (b *Busy) Write(ctx context.Context) error {
	began := time.Now()
	failed := make(chan error, 1)
	slots := make(chan struct{}, 256) // so many wait for the disk together
	var puts sync.WaitGroup
	defer puts.Wait()
	for n := 0; ; n++ {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(began.Add(time.Duration(n) * WriteEvery))):
		}
		slots <- struct{}{}
		name := b.All[n%len(b.All)]
		key := fmt.Sprintf("%s/css/DBS/%s/TABLES/%s/sharedScan/.packed.json", b.CSS.Prefix(), name.DB, name.Table)
		puts.Go(func() {
			defer func() { <-slots }()
			if _, err := b.Etcd.Put(ctx, key, fmt.Sprintf(`{"lockInMem":"1","scanRating":"%d"} `, n%3+1)); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
}

// Allocations returns how many allocations one of n takes that f does, when nobody writes. What etcd does meanwhile
// counts, too, so that the least of some tries is the nearest.
func Allocations(n int, f func() error) (float64, error) {
	least := float64(n)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := f(); err != nil {
			return 0, err
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/float64(n))
	}
	return least, nil
}
