package deletion_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

// BenchmarkAdmit compares admitting and releasing a query with the least that it could cost: the same readings of the
// clock, an atomic load and two atomic additions.
func BenchmarkAdmit(b *testing.B) {
	f := newFleet(b)
	ok(b)(f.SetTiming(b.Context(), deletion.DefaultTiming)) // a busy machine does not end the measuring
	c := f.Czar("one")
	table := c.Plan(b, object)
	four := []*cssetcd.Table{table, c.Plan(b, source), c.Plan(b, other), table}
	for name, tables := range map[string][]*cssetcd.Table{"one table": {table}, "four tables": four} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					ref, err := c.Admit(tables...)
					if err != nil {
						b.Error(err)
						return
					}
					ref.Release()
				}
			})
		})
	}
	b.Run("floor", func(b *testing.B) {
		var word, load atomic.Int64
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if time.Now().IsZero() || load.Load() != 0 {
					b.Error("no time")
				}
				word.Add(1)
				word.Add(-1)
			}
		})
	})
}

// Admitting a query allocates nothing.
func TestAdmitAllocatesNothing(t *testing.T) {
	f := newFleet(t)
	c := f.Czar("one")
	tables := []*cssetcd.Table{c.Plan(t, object), c.Plan(t, source), c.Plan(t, other)}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		ref, err := c.Admit(tables...)
		if err != nil {
			panic(err)
		}
		ref.Release()
	}))
}
