package inventory_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/inventory"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	ttl    = 2 * time.Second  // for tests of what happens after it
	calm   = 20 * time.Second // for all others: a machine that stalls must not be taken for a dead worker
	within = time.Minute
)

// world is a catalogue with a view of its inventory.
type world struct {
	t    *testing.T
	css  *cssetcd.Client
	view *inventory.View
	ttl  time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, css: csstest.New(t), ttl: calm}
	var err error
	w.view, err = inventory.OpenView(t.Context(), w.css)
	require.NoError(t, err)
	t.Cleanup(w.view.Close)
	return w
}

// publisher is one that runs until end is called, or the test ends.
func (w *world) publisher(css *cssetcd.Client, worker, process string) (p *inventory.Publisher, end func()) {
	w.t.Helper()
	p, err := inventory.NewPublisher(css, worker, inventory.WithTTL(w.ttl), inventory.WithProcess(process))
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	end = func() {
		cancel()
		select {
		case err := <-done:
			assert.ErrorIs(w.t, err, context.Canceled)
			done <- err
		case <-time.After(within):
			w.t.Error("a publisher does not end")
		}
	}
	w.t.Cleanup(end)
	return p, end
}

// shows waits until the view shows this of the workers.
func (w *world) shows(want ...string) {
	w.t.Helper()
	assert.Eventually(w.t, func() bool { return assert.ObjectsAreEqual(want, w.all()) }, within, time.Millisecond)
	assert.Equal(w.t, want, w.all())
}

// all is the view's state, a line for each set.
func (w *world) all() (lines []string) { return linesOf(w.view.State()) }

func linesOf(s *inventory.State) (lines []string) {
	for _, worker := range s.Workers() {
		process, _ := s.Process(worker)
		lines = append(lines, worker+" by "+process.Name)
		for _, db := range s.Databases(worker) {
			set, err := s.Chunks(worker, db)
			if err != nil {
				lines = append(lines, err.Error())
				continue
			}
			lines = append(lines, fmt.Sprintf("%s %s %s", worker, db, set))
		}
	}
	return lines
}

// waited waits until etcd has what a publisher was told, and the view shows it.
func (w *world) waited(p *inventory.Publisher) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	defer cancel()
	rev, err := p.Wait(ctx)
	require.NoError(w.t, err)
	_, err = w.view.WaitRevision(ctx, rev)
	require.NoError(w.t, err)
}

func set(text string) chunkset.Set { return chunkset.MustParse(text) }

func TestPublishing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, end := w.publisher(w.css, "worker-1", "here")
	require.NoError(t, p.Set("LSST", set("1-5,9")))
	require.NoError(t, p.Set("empty", chunkset.Set{}))
	w.waited(p)
	assert.Equal(t, []string{"worker-1 by here", "worker-1 LSST 1-5,9", "worker-1 empty "}, w.all())
	require.NoError(t, p.Change("LSST", set("6-7"), set("2,7")))
	require.NoError(t, p.Change("new", set("3"), set("4")))
	w.waited(p)
	assert.Equal(t, []string{"worker-1 by here", "worker-1 LSST 1,3-6,9", "worker-1 empty ", "worker-1 new 3"}, w.all())
	p.Forget("empty")
	p.Forget("nothing")
	w.waited(p)
	assert.Equal(t, []string{"worker-1 by here", "worker-1 LSST 1,3-6,9", "worker-1 new 3"}, w.all())

	bad := map[string]chunkset.Set{"LSST": set("7"), "a/b": {}}
	assert.ErrorIs(t, p.Replace(bad), cssetcd.ErrInvalidName)
	w.waited(p)
	assert.Len(t, w.all(), 3, "nothing has changed")
	delete(bad, "a/b")
	require.NoError(t, p.Replace(bad))
	w.waited(p)
	assert.Equal(t, []string{"worker-1 by here", "worker-1 LSST 7"}, w.all())

	s := w.view.State()
	assert.True(t, s.Serves("worker-1", "LSST", 7))
	assert.False(t, s.Serves("worker-1", "LSST", 8))
	assert.False(t, s.Serves("worker-1", "new", 7))
	assert.False(t, s.Serves("worker-2", "LSST", 7))
	_, err := s.Chunks("worker-2", "LSST")
	assert.ErrorIs(t, err, inventory.ErrNoSuchWorker)
	_, err = s.Chunks("worker-1", "new")
	assert.ErrorIs(t, err, inventory.ErrNotServed)
	assert.ErrorIs(t, err, cssetcd.ErrNotFound)
	read, err := inventory.Read(t.Context(), w.css)
	require.NoError(t, err)
	assert.Equal(t, linesOf(s), linesOf(read))

	end()
	w.shows()
	assert.Equal(t, []string{"worker-1 by here", "worker-1 LSST 7"}, linesOf(s), "what was returned does not change")
}

// Rule: of the processes of a worker one publishes, and the next one does as soon as that goes.
func TestOneProcessOfAWorkerPublishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, endA := w.publisher(w.css, "worker-1", "a")
	require.NoError(t, a.Set("LSST", set("1")))
	w.waited(a)
	b, _ := w.publisher(w.css, "worker-1", "b")
	require.NoError(t, b.Set("other", set("2")))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := b.Wait(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, []string{"worker-1 by a", "worker-1 LSST 1"}, w.all())
	other, _ := w.publisher(w.css, "worker-10", "c")
	require.NoError(t, other.Set("LSST", set("3")))
	w.waited(other)
	endA()
	w.waited(b)
	assert.Equal(t, []string{"worker-1 by b", "worker-1 other 2", "worker-10 by c", "worker-10 LSST 3"}, w.all())
}

// Rule: who does not know what a worker serves lets another process publish, and goes on where there is none.
func TestPublisherStepsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ttl = ttl
	a, _ := w.publisher(w.css, "worker-1", "a")
	require.NoError(t, a.Set("LSST", set("1")))
	w.waited(a)
	time.Sleep(ttl)
	a.StepBack()
	require.NoError(t, a.Set("LSST", set("1-2")))
	w.waited(a)
	assert.Equal(t, []string{"worker-1 by a", "worker-1 LSST 1-2"}, w.all(), "nobody else would")
	b, _ := w.publisher(w.css, "worker-1", "b")
	require.NoError(t, b.Set("LSST", set("3")))
	assert.Eventually(t, func() bool {
		a.StepBack()
		lines := w.all()
		return len(lines) == 2 && lines[0] == "worker-1 by b" && lines[1] == "worker-1 LSST 3"
	}, within, 10*time.Millisecond)
	w.waited(b)
	_, err := a.Wait(expired(t, 300*time.Millisecond))
	assert.ErrorIs(t, err, context.DeadlineExceeded, "it stands by")
}

func expired(t *testing.T, after time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), after)
	t.Cleanup(cancel)
	return ctx
}

// Rule: nobody waits for ever for an etcd client that was closed.
func TestClientIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	etcd, err := clientv3.New(clientv3.Config{Endpoints: w.css.Etcd().Endpoints()})
	require.NoError(t, err)
	css, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(w.css.Prefix()))
	require.NoError(t, err)
	p, err := inventory.NewPublisher(css, "worker-1")
	require.NoError(t, err)
	v, err := inventory.OpenView(t.Context(), css)
	require.NoError(t, err)
	defer v.Close()
	done := make(chan error, 2)
	go func() { done <- p.Run(t.Context()) }()
	w.waited(p)
	_, err = v.WaitRevision(t.Context(), w.view.State().Revision())
	require.NoError(t, err)
	go func() {
		for have := v.State(); ; {
			next, err := v.Next(t.Context(), have)
			if err != nil {
				done <- err
				return
			}
			have = next
		}
	}()
	require.NoError(t, etcd.Close())
	for range 2 {
		select {
		case err := <-done:
			assert.ErrorIs(t, err, cssetcd.ErrClosed)
		case <-time.After(within):
			t.Fatal("it goes on")
		}
	}
}

// behind returns a client that reaches etcd through a network of its own.
func behind(t *testing.T, css *cssetcd.Client) (*cssetcd.Client, *proxy.Proxy) {
	t.Helper()
	u, err := url.Parse(css.Etcd().Endpoints()[0])
	require.NoError(t, err)
	network, err := proxy.Start("tcp", u.Host)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, network.Close()) })
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{network.Addr()}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	over, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(css.Prefix()))
	require.NoError(t, err)
	return over, network
}

// Rule: a worker that is not heard of is gone, with all its sets in one step; the process that stands by publishes, and
// the one that comes back stands by itself.
func TestWorkerIsCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ttl = ttl
	over, network := behind(t, w.css)
	a, _ := w.publisher(over, "worker-1", "a")
	require.NoError(t, a.Set("LSST", set("1")))
	require.NoError(t, a.Set("other", set("1")))
	w.waited(a)
	have := w.view.State()
	network.Pause(proxy.Both)
	for len(linesOf(have)) > 0 {
		require.Len(t, linesOf(have), 3, "all of it or nothing")
		var err error
		have, err = w.view.Next(t.Context(), have)
		require.NoError(t, err)
	}

	w.ttl = calm
	b, endB := w.publisher(w.css, "worker-1", "b")
	require.NoError(t, b.Set("LSST", set("2")))
	w.waited(b)
	require.NoError(t, a.Set("LSST", set("3")))
	network.Resume()
	require.Never(t, func() bool { return strings.Contains(strings.Join(w.all(), ";"), "by a") }, 2*ttl,
		10*time.Millisecond)
	assert.Equal(t, []string{"worker-1 by b", "worker-1 LSST 2"}, w.all())
	endB()
	w.shows("worker-1 by a", "worker-1 LSST 3", "worker-1 other 1")
}

// Rule: what etcd has of a write whose answer was lost is found out, and is put right before anything else is said.
func TestAnswersAreLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	over, network := behind(t, w.css)
	p, _ := w.publisher(over, "worker-1", "a")
	require.NoError(t, p.Set("LSST", set("1")))
	w.waited(p)
	network.Pause(proxy.ToClient)
	require.NoError(t, p.Set("lost", set("1")))
	w.shows("worker-1 by a", "worker-1 LSST 1", "worker-1 lost 1")
	p.Forget("lost")
	network.Cut()
	network.Resume()
	w.waited(p)
	assert.Equal(t, []string{"worker-1 by a", "worker-1 LSST 1"}, w.all())

	network.Pause(proxy.ToClient)
	require.NoError(t, p.Set("lost", set("1")))
	w.shows("worker-1 by a", "worker-1 LSST 1", "worker-1 lost 1")
	network.Cut()
	network.Resume()
	rev, err := p.Wait(t.Context())
	require.NoError(t, err)
	got, err := w.css.Etcd().Get(t.Context(), w.css.Prefix()+"/inventory/worker-1/lost")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, int64(rev), got.Kvs[0].ModRevision)
}

// Rule: what was said before Wait is waited for, however much is said afterwards.
func TestWaitWhileMuchIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _ := w.publisher(w.css, "worker-1", "a")
	ctx, cancel := context.WithCancel(t.Context())
	said := make(chan struct{})
	go func() {
		defer close(said)
		for n := 0; ctx.Err() == nil; n++ {
			assert.NoError(t, p.Set("LSST", set(fmt.Sprint(n))))
		}
	}()
	for range 20 {
		w.waited(p)
	}
	cancel()
	<-said
}

// Rule: what somebody else wrote or deleted below a worker that is alive is put right.
func TestInventoryIsMeddledWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ttl = ttl
	p, _ := w.publisher(w.css, "worker-1", "a")
	require.NoError(t, p.Set("LSST", set("1")))
	w.waited(p)
	want := []string{"worker-1 by a", "worker-1 LSST 1"}
	at := w.css.Prefix() + "/inventory/worker-1"
	for what, meddle := range map[string]func() error{
		"a set is changed": func() error { return errOf(w.css.Etcd().Put(t.Context(), at+"/LSST", "2")) },
		"it is no set":     func() error { return errOf(w.css.Etcd().Put(t.Context(), at+"/LSST", "x")) },
		"a set is deleted": func() error { return errOf(w.css.Etcd().Delete(t.Context(), at+"/LSST")) },
		"a set is added":   func() error { return errOf(w.css.Etcd().Put(t.Context(), at+"/x", "2")) },
		"a set is put again, on no lease": func() error {
			return errOf(w.css.Etcd().Put(t.Context(), at+"/LSST", "1"))
		},
		"the process": func() error { return errOf(w.css.Etcd().Delete(t.Context(), at)) },
		"all": func() error {
			return errOf(w.css.Etcd().Delete(t.Context(), at, clientv3.WithPrefix()))
		},
		"who is elected": func() error {
			return errOf(w.css.Etcd().Delete(t.Context(), w.css.Prefix()+"/publisher/", clientv3.WithPrefix()))
		},
	} {
		before := w.keys()
		require.Len(t, before, 2)
		require.NoError(t, meddle(), what)
		assert.Eventually(t, func() bool {
			now := w.keys()
			if len(now) != 2 || !bytes.Equal(now[1].Value, []byte("1")) || now[0].Lease == 0 || now[1].Lease != now[0].Lease {
				return false
			}
			anew := now[0].Lease != before[0].Lease
			return (anew || what != "who is elected") && assert.ObjectsAreEqual(want, w.all())
		}, within, 10*time.Millisecond, what)
	}
}

// keys are those of the inventory, as etcd has them.
func (w *world) keys() []*mvccpb.KeyValue {
	got, err := w.css.Etcd().Get(w.t.Context(), w.css.Prefix()+"/inventory/", clientv3.WithPrefix())
	require.NoError(w.t, err)
	return got.Kvs
}

func errOf[T any](_ T, err error) error { return err }

func TestRefusals(t *testing.T) {
	t.Parallel()
	css := csstest.New(t)
	p, err := inventory.NewPublisher(css, "w")
	require.NoError(t, err)
	for what, err := range map[string]error{
		"no worker":       errOf(inventory.NewPublisher(css, "")),
		"slash":           errOf(inventory.NewPublisher(css, "a/b")),
		"long":            errOf(inventory.NewPublisher(css, strings.Repeat("x", 256))),
		"control":         errOf(inventory.NewPublisher(css, "a\n")),
		"no client":       errOf(inventory.NewPublisher(nil, "w")),
		"short":           errOf(inventory.NewPublisher(css, "w", inventory.WithTTL(time.Second))),
		"half a second":   errOf(inventory.NewPublisher(css, "w", inventory.WithTTL(2500*time.Millisecond))),
		"no logger":       errOf(inventory.NewPublisher(css, "w", inventory.WithLogger(nil))),
		"view, no client": errOf(inventory.OpenView(t.Context(), nil)),
		"view, no logger": errOf(inventory.OpenView(t.Context(), css, inventory.WithViewLogger(nil))),
		"read, no client": errOf(inventory.Read(t.Context(), nil)),
		"no database":     p.Set("", set("1")),
		"db with slash":   p.Change("a/b", set("1"), set("2")),
	} {
		assert.ErrorIs(t, err, cssetcd.ErrInvalid, what)
	}
	file, err := cssetcd.OpenFile(t.TempDir() + "/css.json")
	if assert.NoError(t, err) {
		assert.ErrorIs(t, errOf(inventory.OpenView(t.Context(), file)), cssetcd.ErrInvalid)
	}
	var ids []int
	for i := range 400_000 {
		ids = append(ids, 3*i)
	}
	large, err := chunkset.Of(ids...)
	require.NoError(t, err)
	assert.ErrorIs(t, p.Set("LSST", large), cssetcd.ErrTooLarge)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	_, err = p.Wait(t.Context())
	require.NoError(t, err)
	assert.ErrorIs(t, p.Run(t.Context()), cssetcd.ErrInvalid)
	cancel()
	assert.ErrorIs(t, <-done, context.Canceled)
}

func TestViewIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	done := make(chan error, 1)
	go func() { done <- errOf(w.view.Next(t.Context(), w.view.State())) }()
	w.view.Close()
	assert.ErrorIs(t, <-done, cssetcd.ErrClosed)
	assert.ErrorIs(t, errOf(w.view.WaitRevision(t.Context(), 1<<50)), cssetcd.ErrClosed)
	assert.Empty(t, w.all())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v, err := inventory.OpenView(t.Context(), w.css)
	require.NoError(t, err)
	defer v.Close()
	assert.ErrorIs(t, errOf(v.Next(ctx, v.State())), context.Canceled)
	assert.Eventually(t, func() bool { return v.Staleness() < time.Second }, within, time.Millisecond)
	assert.NoError(t, v.Healthy(time.Minute))
	assert.ErrorIs(t, v.Healthy(0), cssetcd.ErrStale)
}
