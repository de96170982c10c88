package mirror

import "time"

// Hurry shortens the times that a mirror waits, but for the one after it was overtaken.
func (m *Mirror) Hurry(fenced time.Duration) {
	m.cfg.LookEvery = 50 * time.Millisecond
	m.emptyPace = emptyPace{poll: 50 * time.Millisecond, settle: 200 * time.Millisecond, reread: 300,
		catchUp: time.Second, failed: 100 * time.Millisecond, write: 10 * time.Second, anew: 200 * time.Millisecond,
		once: 10 * time.Second}
	m.pace = pace{
		idle: 50 * time.Millisecond, first: 10 * time.Millisecond, most: 100 * time.Millisecond,
		refused: 50 * time.Millisecond,
		fenced:  fenced, catchUp: time.Second, poll: 20 * time.Millisecond, often: 4 * time.Millisecond, lively: time.Second,
		crowded: 100 * time.Millisecond,
	}
}
