package drops_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/proxy"
)

// nemesis makes trouble until the time is over, each part in an order that the seed says, and leaves all in order.
func (d *drops) nemesis(all *sync.WaitGroup) {
	d.deck = rand.New(rand.NewPCG(d.plan.seed, 99))
	part := uint64(100)
	every := func(pause time.Duration, do func(rng *rand.Rand)) {
		part++
		rng := rand.New(rand.NewPCG(d.plan.seed, part))
		all.Go(func() {
			for {
				d.rest(pause/2 + time.Duration(rng.Int64N(int64(pause))))
				if d.over() {
					return
				}
				do(rng)
			}
		})
	}
	for i := range d.czars {
		every(d.plan.czarTrouble, func(rng *rand.Rand) { d.hurtCzar(i, rng) })
	}
	for _, c := range d.coordinators {
		every(d.plan.coordinatorTrouble, func(rng *rand.Rand) { d.hurtCoordinator(c, rng) })
	}
	if d.plan.etcdTrouble > 0 {
		every(d.plan.etcdTrouble, d.hurtEtcd)
	}
	every(d.plan.blindness, d.blind)
	every(d.plan.compaction, func(*rand.Rand) { d.compact() })
}

// turn numbers what is done of one kind, so that all its forms come about.
func (d *drops) turn(kind string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turns[kind]++
	return d.turns[kind]
}

// hurts are the troubles of czars, each as often as it stands here.
var hurts = []string{"stop", "stop", "stop", "kill", "cut", "silence"}

// hurt draws the next trouble of a czar: all that there are, in some order, and again.
func (d *drops) hurt() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.turns["hurt"]
	d.turns["hurt"]++
	if n%len(hurts) == 0 {
		d.order = d.deck.Perm(len(hurts))
	}
	return hurts[d.order[n%len(hurts)]]
}

// span is a random time up to a limit, and at least a tenth of it.
func span(rng *rand.Rand, limit time.Duration) time.Duration {
	return limit/10 + time.Duration(rng.Int64N(int64(limit-limit/10)))
}

func (d *drops) hurtCzar(i int, rng *rand.Rand) {
	began := time.Now()
	defer func() { d.troubled(i, began) }()
	c := d.czars[i]
	switch d.hurt() {
	case "stop":
		c.signal(syscall.SIGSTOP)
		d.rest(d.plan.shortest + span(rng, d.plan.pause-d.plan.shortest))
		c.signal(syscall.SIGCONT)
		d.count("pauses of czars")
	case "kill":
		c.kill()
		d.rest(span(rng, time.Second))
		assert.NoError(d.t, c.start())
		d.count("kills of czars")
	case "cut":
		for _, p := range d.ways[i] {
			p.Cut()
		}
		d.count("cuts")
	default:
		direction := []proxy.Direction{proxy.Both, proxy.ToServer, proxy.ToClient}[rng.IntN(3)]
		for _, p := range d.ways[i] {
			p.Pause(direction)
		}
		if d.turn("silences")%2 == 1 {
			d.evict(c.role.Name)
		}
		d.rest(span(rng, d.plan.silence))
		for _, p := range d.ways[i] {
			p.Resume()
		}
		d.count("silences")
	}
}

// evict is what an operator may do to a czar that is silent: it may live, and its queries go on for as long as it has a
// proof.
func (d *drops) evict(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	czars, err := d.client.Czars(ctx)
	if err != nil {
		return // etcd is in trouble, too
	}
	for _, c := range czars {
		if c.Name == name && !c.Ending && d.client.Evict(ctx, c.ID) == nil {
			d.count("evictions")
		}
	}
}

func (d *drops) hurtCoordinator(c *child, rng *rand.Rand) {
	if d.turn("coordinators")%2 == 0 {
		c.kill()
		d.rest(span(rng, time.Second))
		assert.NoError(d.t, c.start())
		d.count("kills of coordinators")
		return
	}
	c.signal(syscall.SIGSTOP)
	d.rest(span(rng, 2*coordinatorTTL))
	c.signal(syscall.SIGCONT)
	d.count("pauses of coordinators")
}

// hurtEtcd kills or stops the member that leads.
func (d *drops) hurtEtcd(rng *rand.Rand) {
	began := time.Now()
	defer func() { d.troubled(everyone, began) }()
	leader := d.members.Leader()
	if leader < 0 {
		return
	}
	if d.turn("leaders")%2 == 0 {
		d.members.Kill(leader)
		d.rest(span(rng, 2*time.Second))
		d.members.Start(leader)
		d.members.AwaitServing(leader)
		d.count("kills of the leader of etcd")
		return
	}
	d.members.Signal(leader, syscall.SIGSTOP)
	d.rest(span(rng, 4*time.Second))
	d.members.Signal(leader, syscall.SIGCONT)
	d.count("pauses of the leader of etcd")
}

// blind keeps the watch of the first czar's view back for longer than any delay, while its gate confirms by another
// way.
func (d *drops) blind(rng *rand.Rand) {
	began := time.Now()
	defer func() { d.troubled(0, began) }()
	for _, p := range d.eyes {
		p.Pause(proxy.ToClient)
	}
	d.rest(dropTiming.Delay + span(rng, 2*time.Second))
	for _, p := range d.eyes {
		p.Resume()
	}
	d.count("views kept back")
}

// compact makes etcd forget all history, marks included.
func (d *drops) compact() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if got, err := d.etcd.Get(ctx, "none"); err == nil {
		if _, err := d.etcd.Compact(ctx, got.Header.Revision); err == nil {
			d.count("compactions")
		}
	}
}
