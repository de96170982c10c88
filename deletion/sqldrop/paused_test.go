package sqldrop_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/coordinator"
)

// paused is an attempt that stops before one of its statements.
type paused struct {
	t       testing.TB
	step    string // before which it stopped
	reached chan struct{}
	resumed chan struct{}
	done    chan error
	ended   bool
	cancel  context.CancelFunc
}

// pausedAt begins an attempt and returns when it has stopped before its n-th statement, or has ended.
func (w *world) pausedAt(n int, job coordinator.Job) *paused {
	w.t.Helper()
	p := &paused{t: w.t, reached: make(chan struct{}), resumed: make(chan struct{}), done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(w.t.Context())
	p.cancel = cancel
	d := w.dropper()
	count := 0
	d.At(func(_ *mysql.Config, step string) {
		if count++; count == n && ctx.Err() == nil {
			p.step = step
			close(p.reached)
			<-p.resumed
		}
	})
	go func() { p.done <- d.Drop(ctx, job) }()
	select {
	case <-p.reached:
	case err := <-p.done:
		require.NoError(w.t, err)
		p.ended = true
	}
	return p
}

// finish lets the attempt go on to its end.
func (p *paused) finish() {
	p.t.Helper()
	if p.ended {
		return
	}
	close(p.resumed)
	require.NoError(p.t, <-p.done)
	p.cancel()
	p.ended = true
}

// abandon ends the attempt where it is, as the death of its process would.
func (p *paused) abandon() {
	p.t.Helper()
	p.cancel()
	close(p.resumed)
	require.ErrorIs(p.t, <-p.done, context.Canceled)
	p.ended = true
}

var (
	chunked = []string{"Object", "Object_1", "Object_2", "ObjectFullOverlap_1"}
	pair    = []string{"Object", "Object_1"} // where it is done hundreds of times
)

// What an attempt finds when it begins.
var beginnings = []struct {
	name string
	make func(w *world, job coordinator.Job)
}{
	{"tables", func(w *world, _ coordinator.Job) { w.create(pair...) }},
	{"no table", func(w *world, _ coordinator.Job) { w.create() }},
	{"no schema", func(*world, coordinator.Job) {}},
	{"trash", func(w *world, job coordinator.Job) {
		w.create(pair...)
		p := w.pausedAt(8, job)
		require.Equal(w.t, "list trash", p.step)
		p.abandon()
	}},
}

// Rule: an attempt that was paused before any of its statements and goes on after another one finished, and after the
// table was created anew, does not touch the new table.
func TestPausedAttemptDoesNotTouchANewTable(t *testing.T) {
	for _, schema := range []string{"kept", "made anew"} {
		for _, begin := range beginnings {
			t.Run("schema "+schema+", "+begin.name, func(t *testing.T) {
				steps := map[string]bool{}
				w := newWorld(t)
				for n := 1; ; n++ {
					w.anew()
					job := w.job(1, "Object")
					begin.make(w, job)
					late := w.pausedAt(n, job)
					if late.ended {
						require.Greater(t, n, 5)
						break
					}
					steps[late.step] = true
					w.drop(job)
					if schema == "made anew" {
						w.exec("DROP DATABASE IF EXISTS " + quoted(w.database))
					}
					w.create(pair...)
					late.finish()
					w.intact(pair...)
					w.marked(job)
				}
				w.drop(w.job(1, "Object"))
				w.intact()
				for _, step := range []string{"check grant", "look for the marker", "list trash"} {
					assert.Contains(t, steps, step)
				}
			})
		}
	}
}

// Rule: the same with two attempts that are both in the middle, whichever of them ends first.
func TestTwoPausedAttempts(t *testing.T) {
	pairs, tables := 0, []string{"Object"}
	w := newWorld(t)
	for _, firstEnds := range []bool{true, false} {
		for i := 1; ; i++ {
			ended := false
			for j := 1; ; j++ {
				w.anew()
				job := w.job(1, "Object")
				w.create(tables...)
				a := w.pausedAt(i, job)
				b := w.pausedAt(j, job)
				what := fmt.Sprintf("the first paused before %q, the second before %q, the first ends first: %v", a.step, b.step,
					firstEnds)
				ended = a.ended
				last := a.ended || b.ended
				ends, late := b, a
				if firstEnds {
					ends, late = a, b
				}
				ends.finish()
				w.create(tables...)
				late.finish()
				w.intact(tables...)
				w.marked(job)
				if pairs++; t.Failed() {
					t.Fatal(what)
				}
				if last {
					break
				}
			}
			if ended {
				break
			}
		}
	}
	t.Logf("%d pairs of pauses", pairs)
	assert.Greater(t, pairs, 100)
}
