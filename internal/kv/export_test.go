package kv

import "time"

// Hurry scales the delays of Follow down.
func (s *Etcd) Hurry() *Etcd {
	s.times = followTimes{
		askEvery:    50 * time.Millisecond,
		silence:     time.Second,
		minBackoff:  5 * time.Millisecond,
		mostBackoff: 50 * time.Millisecond,
		calm:        5 * time.Second,
		resyncPause: 10 * time.Millisecond,
		compare:     5 * time.Minute,
		compareRest: 1,
	}
	return s
}

// Rush makes Follow ask and try again all the time.
func (s *Etcd) Rush() *Etcd {
	s.Hurry().times.askEvery = time.Millisecond
	s.times.minBackoff, s.times.mostBackoff = time.Microsecond, 100*time.Microsecond
	return s
}

// Silence sets how long Follow takes silence for patience.
func (s *Etcd) Silence(d time.Duration) *Etcd {
	s.times.silence = d
	return s
}

// Backoff sets how long Follow waits before it tries again.
func (s *Etcd) Backoff(d time.Duration) *Etcd {
	s.times.minBackoff, s.times.mostBackoff = d, d
	return s
}

// PageKeys is how many keys a page has.
const PageKeys = pageKeys
