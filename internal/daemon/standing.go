package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qserv/css-etcd/mirror"
)

// standing is how the mirrors stand that this process leads.
type standing struct {
	mu     sync.Mutex
	led    map[string]func() mirror.Status
	behind map[string]bool // those for which this process stands by
}

// standsBy notes that another process leads a mirror, and this one would be next.
func (s *standing) standsBy(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind == nil {
		s.behind = map[string]bool{}
	}
	s.behind[name] = true
}

// isBehind reports whether this process stands by for a mirror.
func (s *standing) isBehind(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behind[name]
}

// begun reports whether a mirror has done or met anything, or is kept by another process.
func (s *standing) begun(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ask, led := s.led[name]
	return led && ask().Phase != mirror.Starting || s.behind[name]
}

// leads notes that this process leads a mirror, until the function that it returns is called.
func (s *standing) leads(name string, status func() mirror.Status) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.led == nil {
		s.led = map[string]func() mirror.Status{}
	}
	s.led[name] = status
	delete(s.behind, name)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.led, name)
	}
}

// of returns how a mirror stands; ok is false for one that this process does not lead.
func (s *standing) of(name string) (status mirror.Status, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ask, ok := s.led[name]
	if ok {
		status = ask()
	}
	return status, ok
}

// mostLag is how long a mirror that is well may take to show a change.
const mostLag = 30 * time.Second

// healthy returns what is wrong with a mirror. Standing by is well.
func (s *standing) healthy(name string) error {
	status, ok := s.of(name)
	if !ok {
		return nil
	}
	return wellOf(status)
}

// wellOf returns what is wrong with a mirror that stands so.
func wellOf(s mirror.Status) error {
	switch {
	case s.Phase == mirror.Following && s.Lag <= mostLag:
		return nil
	case s.Phase == mirror.Following:
		return fmt.Errorf("lag %s", s.Lag.Round(time.Second))
	default:
		return fmt.Errorf("%s for %s: %w", s.Phase, time.Since(s.Since).Round(time.Second),
			cmp.Or(s.Err, errors.New("it has not shown the catalogue yet")))
	}
}
