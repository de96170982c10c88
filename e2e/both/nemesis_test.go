package both_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/proxy"
)

// trouble is something that happens and is over.
type trouble struct {
	what string
	do   func(rnd *rand.Rand)
}

func (r *run) random() *rand.Rand { return rand.New(rand.NewPCG(r.seed, 1000)) }

// nemesis makes all troubles come about so many times, in an order that the seed says, those of the daemons beside
// those of the servers, and leaves all in order.
func (r *run) nemesis(rounds int, random func(stream uint64) *rand.Rand) {
	var lanes sync.WaitGroup
	for i, troubles := range [][]trouble{r.ofDaemons(), r.ofServers()} {
		rnd := random(200 + uint64(i))
		lanes.Go(func() {
			for range rounds {
				for _, n := range rnd.Perm(len(troubles)) {
					time.Sleep(span(rnd, 800*time.Millisecond))
					if r.t.Failed() {
						return
					}
					troubles[n].do(rnd)
					r.count(troubles[n].what)
				}
			}
		})
	}
	lanes.Wait()
	for _, d := range r.daemons {
		d.revive()
	}
}

// span is a random time up to a limit, and at least a tenth of it.
func span(rnd *rand.Rand, limit time.Duration) time.Duration {
	return limit/10 + time.Duration(rnd.Int64N(int64(limit-limit/10)))
}

// either returns one of the daemons, that runs.
func (r *run) either(rnd *rand.Rand) *daemon {
	for _, d := range r.daemons {
		d.revive()
	}
	return r.daemons[rnd.IntN(len(r.daemons))]
}

func (r *run) ofDaemons() []trouble {
	kill := trouble{"daemons killed", func(rnd *rand.Rand) {
		d := r.either(rnd)
		d.Kill()
		time.Sleep(span(rnd, 500*time.Millisecond))
		d.revive()
	}}
	killBoth := trouble{"both daemons killed at once", func(rnd *rand.Rand) {
		for _, d := range r.daemons {
			d.Kill()
		}
		time.Sleep(span(rnd, time.Second))
		r.either(rnd)
	}}
	pause := trouble{"daemons paused", func(rnd *rand.Rand) { // for longer than its session may last, or shorter
		d := r.either(rnd)
		d.Signal(syscall.SIGSTOP)
		d.stopped = true
		time.Sleep(span(rnd, 4*time.Second))
		d.revive()
	}}
	cut := trouble{"connections of a daemon cut", func(rnd *rand.Rand) {
		d := r.either(rnd)
		for range 5 {
			d.way(rnd).Cut()
			time.Sleep(span(rnd, 200*time.Millisecond))
		}
	}}
	silent := trouble{"connections of a daemon silent in one direction", func(rnd *rand.Rand) {
		p := r.either(rnd).way(rnd)
		p.Pause([]proxy.Direction{proxy.ToServer, proxy.ToClient}[rnd.IntN(2)])
		time.Sleep(span(rnd, 3*time.Second))
		p.Resume()
	}}
	apart := trouble{"daemons cut off from etcd", func(rnd *rand.Rand) {
		d := r.either(rnd)
		for _, p := range d.toEtcd {
			p.Pause(proxy.Both)
		}
		time.Sleep(span(rnd, 4*time.Second))
		for _, p := range d.toEtcd {
			p.Resume()
		}
	}}
	strand := trouble{"connections of a daemon lost without a sign", func(rnd *rand.Rand) {
		r.either(rnd).way(rnd).Strand()
		time.Sleep(span(rnd, time.Second))
	}}
	writers := trouble{"connections of Go writers cut", func(rnd *rand.Rand) {
		for range 5 {
			r.goWays[rnd.IntN(len(r.goWays))].Cut()
			time.Sleep(span(rnd, 100*time.Millisecond))
		}
	}}
	return []trouble{kill, kill, kill, killBoth, pause, pause, cut, silent, apart, strand, writers}
}

// way is one of the daemon's connections: to MySQL, or to one member of etcd.
func (d *daemon) way(rnd *rand.Rand) *proxy.Proxy {
	if rnd.IntN(2) == 0 {
		return d.toSQL
	}
	return d.toEtcd[rnd.IntN(len(d.toEtcd))]
}

func (r *run) ofServers() []trouble {
	killMaria := trouble{"MariaDB killed", func(rnd *rand.Rand) {
		if assert.NoError(r.t, r.maria.Kill()) {
			time.Sleep(span(rnd, time.Second))
			assert.NoError(r.t, r.maria.Restart(context.Background()))
		}
	}}
	pauseMaria := trouble{"MariaDB paused", func(rnd *rand.Rand) {
		if assert.NoError(r.t, r.maria.Pause()) {
			time.Sleep(span(rnd, 3*time.Second))
			assert.NoError(r.t, r.maria.Resume())
		}
	}}
	killMember := trouble{"members of etcd killed", func(rnd *rand.Rand) {
		i := rnd.IntN(3)
		r.members.Kill(i)
		time.Sleep(span(rnd, time.Second))
		r.members.Start(i)
		r.members.AwaitServing(i)
	}}
	pauseMember := trouble{"members of etcd paused", func(rnd *rand.Rand) {
		i := rnd.IntN(3)
		r.members.Signal(i, syscall.SIGSTOP)
		time.Sleep(span(rnd, 3*time.Second))
		r.members.Signal(i, syscall.SIGCONT)
	}}
	compact := trouble{"compactions", func(*rand.Rand) { r.compact() }}
	return []trouble{killMaria, killMaria, pauseMaria, killMember, killMember, pauseMember, compact, compact, compact}
}

// compact makes etcd forget all that was recorded.
func (r *run) compact() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := r.etcd.Compact(ctx, r.history.upTo()); err != nil {
		r.count(fmt.Sprintf("compactions in vain: %v", err))
	}
}
