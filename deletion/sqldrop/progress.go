package sqldrop

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// progress is how far a Drop is on each server.
type progress struct{ servers []serverProgress }

// serverProgress is how far it is on one.
type serverProgress struct {
	addr   string
	mu     sync.Mutex
	table  string
	step   string // before which statement it is, or in it
	since  time.Time
	faults []error // of tables
	ended  bool
}

func newProgress(servers []*mysql.Config) *progress {
	p := &progress{make([]serverProgress, len(servers))}
	for i, s := range servers {
		p.servers[i].addr = s.Addr
	}
	return p
}

func (s *serverProgress) at(table, step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table, s.step, s.since = table, step, time.Now()
}

func (s *serverProgress) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) < maxFaults {
		s.faults = append(s.faults, err)
	}
}

// again forgets what failed, since that is tried once more.
func (s *serverProgress) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *serverProgress) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// trouble says what there is to tell of a server; "" for nothing. It does not change while nothing happens.
func (s *serverProgress) trouble(now time.Time, patience time.Duration) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var texts []string
	for _, err := range s.faults {
		texts = append(texts, err.Error())
	}
	if !s.ended && s.step != "" && now.Sub(s.since) >= patience {
		of := ""
		if s.table != "" {
			of = " of " + s.table
		}
		texts = append(texts, fmt.Sprintf("it has not answered since %s, at the step %q%s",
			s.since.UTC().Format("15:04:05 UTC"), s.step, of))
	}
	if len(texts) == 0 {
		return ""
	}
	return "the MySQL server " + s.addr + ": " + strings.Join(texts, "; ")
}

// text is what there is to tell of all servers.
func (p *progress) text(now time.Time, patience time.Duration) string {
	var texts []string
	for i := range p.servers {
		if t := p.servers[i].trouble(now, patience); t != "" {
			texts = append(texts, t)
		}
	}
	return strings.Join(texts, "; ")
}

// tell tells what there is to tell, whenever that changes, until it is stopped.
func (p *progress) tell(say func(string), patience time.Duration) (stop func()) {
	if say == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(patience / 5)
		defer tick.Stop()
		said := ""
		for {
			select {
			case <-end:
				return
			case now := <-tick.C:
				if text := p.text(now, patience); text != said {
					said = text
					say(text)
				}
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
