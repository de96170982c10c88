package simulation

import (
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// process is a czar, a coordinator or a user, with clocks of its own and a connection of its own to etcd.
type process struct {
	w    *world
	name string
	dead bool

	rate     float64       // of its clocks, against time
	wallStep time.Duration // by how much its wall clock was set
	setBack  bool          // it was, at some time
	asleep   [2]time.Duration
	slept    time.Duration // by its own clock, before asleep

	pausedUntil time.Duration
	cutUntil    time.Duration // nothing gets to etcd
	deafUntil   time.Duration // what etcd answers is lost
}

func (w *world) newProcess(name string) process {
	rates := []float64{0.9, 1, 1.1, 0.9 + 0.2*w.rng.Float64()}
	return process{w: w, name: name, rate: rates[w.rng.IntN(len(rates))]}
}

// clock reads the clocks: the one that is never set stands still while the machine sleeps.
func (p *process) clock() protocol.Time {
	t := time.Duration(float64(p.w.now) * p.rate)
	return protocol.Time{Mono: t - p.slept - p.sleeping(p.w.now), Wall: t + p.wallStep}
}

// set sets the wall clock.
func (p *process) set(by time.Duration) {
	if by < 0 && p.asleep[1] > 0 {
		return
	}
	p.wallStep += by
	p.setBack = p.setBack || by < 0
}

func (p *process) sleeping(now time.Duration) time.Duration {
	return time.Duration(float64(max(0, min(now, p.asleep[1])-p.asleep[0])) * p.rate)
}

// pause stops a process; sleep stops its monotonic clock, too.
func (p *process) pause(d time.Duration) { p.pausedUntil = max(p.pausedUntil, p.w.now+d) }

// A machine that sleeps while its wall clock is set back has no clock left that sees the time pass: no world has both.
func (p *process) sleep(d time.Duration) {
	if p.asleep[1] > p.w.now || p.setBack {
		return
	}
	p.slept += p.sleeping(p.w.now)
	p.asleep = [2]time.Duration{p.w.now, p.w.now + d}
	p.pause(d)
}

// local is when a timer of the process set for d goes off, in time.
func (p *process) local(d time.Duration) time.Duration { return time.Duration(float64(d) / p.rate) }

// heal ends all that ails the process. Sleep that was planned further than now has not happened.
func (p *process) heal() {
	p.asleep[1] = min(p.asleep[1], p.w.now)
	p.asleep[1] = max(p.asleep[0], p.asleep[1])
	p.pausedUntil, p.cutUntil, p.deafUntil = p.w.now, p.w.now, p.w.now
}

// send carries a request to etcd and tells the process whether an answer came in time. What was not answered may have
// been done all the same, and may still be, but not by an etcd that was restored since: connections end with the etcd
// that they are to.
func (p *process) send(request func(), answered func(heard bool)) {
	w := p.w
	fate := w.fate()
	lost := fate == lostBefore || p.cutUntil > w.now
	there, back := w.latency(), w.latency()
	if fate == late {
		there = w.between(timeout, 2*timing.Wait)
	}
	limit := p.local(timeout)
	unheard := func(after time.Duration) { w.after(p, max(0, after), func() { answered(false) }) }
	if lost || there > limit {
		unheard(limit)
	}
	if lost {
		return
	}
	timeline := w.etcd.timeline
	w.after(nil, there, func() {
		if !w.etcd.up() || w.etcd.timeline != timeline {
			if there <= limit {
				unheard(limit - there)
			}
			return
		}
		request()
		switch {
		case there > limit:
		case fate == lostAfter || p.deafUntil > w.now || there+back > limit:
			unheard(limit - there)
		default:
			w.after(p, back, func() { answered(true) })
		}
	})
}

type fates int

const (
	wellDone fates = iota
	lostBefore
	lostAfter
	late
)

// fate draws what becomes of a message.
func (w *world) fate() fates {
	if w.healing || !w.chance(w.loss) {
		return wellDone
	}
	return fates(1 + w.rng.IntN(3))
}

func (w *world) latency() time.Duration {
	if !w.healing && w.chance(0.1) {
		return w.between(0, timeout)
	}
	return w.between(time.Millisecond, 40*time.Millisecond)
}
