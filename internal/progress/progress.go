// Package progress shows on a terminal, or in a log, how far a long operation has come.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Reporter is told how far an operation has come. It belongs to one goroutine.
type Reporter interface {
	// Update says that done of total steps are behind. The total may change.
	Update(done, total int)
	// Finish ends the report; what is written afterwards begins on a line of its own. It may be called more than once.
	Finish()
}

// New reports on w: with a bar that is redrawn when w is a terminal, otherwise with a line every five seconds, so that
// an operation which is over before that leaves no trace in a log.
func New(w io.Writer, label string) Reporter {
	if IsTerminal(w) {
		return &bar{w: w, label: label, clock: newClock()}
	}
	return &lines{w: w, label: label, clock: newClock()}
}

// IsTerminal reports whether what is written to w is seen on a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Columns returns how many characters go into a line of the terminal that w is; 0 for what is none.
func Columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

const (
	redraw   = 100 * time.Millisecond
	lineTime = 5 * time.Second
	width    = 30
)

// clock says how long an operation takes and when it was last reported on.
type clock struct{ began, last time.Time }

func newClock() clock {
	now := time.Now()
	return clock{now, now}
}

// due reports whether it is time for another report, which it then takes as made.
func (c *clock) due(every time.Duration) bool {
	now := time.Now()
	if now.Sub(c.last) < every {
		return false
	}
	c.last = now
	return true
}

// remaining estimates the time left from the pace so far. It stays empty until 2 % are done: before that it would be a
// guess.
func (c *clock) remaining(done, total int) string {
	if done <= 0 || done >= total || done*50 < total {
		return ""
	}
	spent := time.Since(c.began)
	left := time.Duration(float64(spent) / float64(done) * float64(total-done))
	return ", " + left.Round(time.Second).String() + " left"
}

func percent(done, total int) float64 {
	if total <= 0 {
		return 0
	}
	return 100 * float64(min(done, total)) / float64(total)
}

// lines reports to what is read later, such as a file or a journal.
type lines struct {
	w     io.Writer
	label string
	clock clock
}

func (l *lines) Update(done, total int) {
	if l.clock.due(lineTime) {
		fmt.Fprintf(l.w, "%s: %d of %d (%.1f %%)%s\n", l.label, done, total, percent(done, total),
			l.clock.remaining(done, total))
	}
}

func (l *lines) Finish() {}

// bar draws on one line of a terminal.
type bar struct {
	w     io.Writer
	label string
	clock clock
	drawn bool
}

func (b *bar) Update(done, total int) {
	if !b.clock.due(redraw) && done < total {
		return
	}
	filled := int(percent(done, total) / 100 * width)
	fmt.Fprintf(b.w, "\r\x1b[K%s [%s%s] %d of %d%s", b.label, strings.Repeat("=", filled),
		strings.Repeat(" ", width-filled),
		done, total, b.clock.remaining(done, total))
	b.drawn = true
}

func (b *bar) Finish() {
	if b.drawn {
		fmt.Fprintln(b.w)
	}
	b.drawn = false
}
