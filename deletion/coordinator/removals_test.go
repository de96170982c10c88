package coordinator_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
)

// hooked is a Dropper that is a function.
type hooked func(ctx context.Context, j coordinator.Job) error

func (h hooked) Drop(ctx context.Context, j coordinator.Job) error { return h(ctx, j) }

// Of many drops at once each has its data removed once, also where the name is in use again at once.
func TestDataAreRemovedOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var mu sync.Mutex
	times := map[cssetcd.Revision]int{} // by mark
	f.Coordinate(with(hooked(func(_ context.Context, j coordinator.Job) error {
		mu.Lock()
		defer mu.Unlock()
		times[j.Mark]++
		return nil
	})))
	names, drops := f.dropMany(200)
	for i, d := range drops {
		require.NoError(t, d.Wait(f.Soon()))
		if i%3 == 0 {
			f.Create(names[i])
		}
	}
	f.Dropped(object, deletion.Delay(0)) // rounds after the last of them
	mu.Lock()
	defer mu.Unlock()
	assert.Len(t, times, len(drops)+1)
	for mark, n := range times {
		assert.Equal(t, 1, n, "the drop with the mark %d", mark)
	}
}

// Removals that hang make room for others, are shown as such while they do, and end when an operator wants another
// attempt or gives the drop up.
func TestRemovalsThatHang(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var mu sync.Mutex
	attempts := map[string]int{}
	f.Coordinate(with(hooked(func(ctx context.Context, j coordinator.Job) error {
		name := j.Tables[0].Table
		mu.Lock()
		attempts[name]++
		first := attempts[name] == 1
		mu.Unlock()
		if name == "Object" || !first {
			return nil
		}
		if name == "T0" {
			j.Tell("worker-3 does not answer")
		}
		<-ctx.Done()
		return ctx.Err()
	})))
	hangs, drops := f.dropMany(8)
	shown := func(name string) string {
		s := f.Shown(name)
		assert.Zero(t, s.Attempts)
		return s.Trouble
	}
	f.Await(func() bool { return shown("LSST.T0") == "worker-3 does not answer" })
	f.Dropped(object, deletion.Delay(0)) // eight that hang hold up nothing else
	f.Await(func() bool { return shown("LSST.T1") != "" })
	assert.Regexp(t, `^the attempt that began at \d\d:\d\d:\d\d UTC has not ended$`, shown("LSST.T1"))
	const summary = "the data are being removed, with trouble: worker-3 does not answer"
	assert.Equal(t, summary, f.Shown("LSST.T0").Summary())

	require.NoError(t, f.Retry(t.Context(), "LSST.T0"))
	require.NoError(t, drops[0].Wait(f.Soon()), "the attempt that hangs is ended for another one")
	require.NoError(t, f.Abandon(t.Context(), "LSST.T1"))
	require.NoError(t, drops[1].Wait(f.Soon()))
	f.Create(hangs[1])
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, 2, attempts["T0"])
	assert.Equal(t, 1, attempts["T1"])
}

// A Dropper is told what the catalogue holds, as it is when it asks; and that its drop has ended.
func TestDroppersAskTheCatalogue(t *testing.T) {
	f := newFleet(t)
	f.CreateChildren(fleettest.Director)
	f.Put("css/DBS/Gaia/TABLES/Director_5", "READY") // past the rules
	asked := make(chan error, 1)
	f.Coordinate(with(hooked(func(ctx context.Context, j coordinator.Job) error {
		asked <- func() error {
			assert.Equal(t, []string{"Director_5"}, j.Keep)
			f.Put("css/DBS/Gaia/TABLES/DirectorFullOverlap_6", "READY")
			held, err := j.Holds(ctx, []string{"Director", "Director_5", "DirectorFullOverlap_6", "Director_7"})
			assert.Equal(t, []string{"Director_5", "DirectorFullOverlap_6"}, held)
			if err != nil {
				return err
			}
			if err := f.Abandon(context.WithoutCancel(ctx), "Gaia.Director"); err != nil {
				return err
			}
			_, err = j.Held(context.WithoutCancel(ctx), nil)
			return err
		}()
		return nil
	})))
	f.Drop(fleettest.Director, deletion.Delay(0), deletion.Force())
	require.ErrorIs(t, <-asked, coordinator.ErrDropEnded)
}

// A Dropper that asks after the coordinator's view was closed is told that nobody knows.
func TestDroppersAskAClosedView(t *testing.T) {
	f := newFleet(t)
	asked := make(chan error, 1)
	var view *cssetcd.View
	drop := with(hooked(func(ctx context.Context, j coordinator.Job) error {
		view.Close()
		f.Put("css/DBS/LSST/TABLES/Later", "READY") // so that what the view shows is not the last
		_, err := j.Held(context.WithoutCancel(ctx), []string{"Object"})
		asked <- err
		return err
	}))
	f.Coordinate(drop, func(c *coordinator.Config) { view = c.View })
	f.Drop(object, deletion.Delay(0))
	require.ErrorIs(t, <-asked, cssetcd.ErrClosed)
}
