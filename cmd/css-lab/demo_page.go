package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/progress"
)

// The width of the demo's pages, and the least that they can have.
const (
	pageWidth  = 100
	leastWidth = 80
)

// pageFor is the width for a terminal of so many columns; 0 for none.
func pageFor(columns int) int {
	if columns == 0 {
		return pageWidth
	}
	return min(max(columns, leastWidth), pageWidth)
}

// page writes the demo's text: numbered steps with short lines below them. Colour is for terminals.
type page struct {
	out   *cli.FirstError
	color bool
	width int
	steps int
}

func newPage(p *program) page {
	return page{
		out:   &cli.FirstError{W: p.Stdout},
		width: pageFor(progress.Columns(p.Stdout)),
		color: progress.IsTerminal(p.Stdout) && p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb",
	}
}

// The codes of the terminal.
const (
	bold  = "1"
	faint = "2"
	green = "32"
)

func (p *page) paint(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *page) title(format string, args ...any) {
	if p.steps > 0 {
		fmt.Fprintln(p.out)
	}
	fmt.Fprintln(p.out, p.paint(bold, fmt.Sprintf(format, args...)))
}

// step begins a numbered step.
func (p *page) step(what string) {
	p.steps++
	number := fmt.Sprintf("%d  ", p.steps)
	fmt.Fprintln(p.out)
	for i, line := range wrap(what, p.width-len(number)) {
		if i > 0 {
			number = strings.Repeat(" ", len(number))
		}
		fmt.Fprintln(p.out, p.paint(bold, number+line))
	}
}

const margin = "   "

// text writes a sentence that explains something, in as many lines as it needs.
func (p *page) text(sentence string) {
	for _, line := range wrap(sentence, p.width-len(margin)) {
		fmt.Fprintln(p.out, margin+line)
	}
}

// fact writes what has just happened and how long it took, on the right.
func (p *page) fact(began time.Time, format string, args ...any) {
	p.factIn(time.Since(began), format, args...)
}

// factIn is fact for a time that was measured elsewhere.
func (p *page) factIn(d time.Duration, format string, args ...any) {
	took := duration(d)
	lines := wrap(fmt.Sprintf(format, args...), p.width-len(margin)-12)
	for i, line := range lines {
		if i < len(lines)-1 {
			fmt.Fprintln(p.out, margin+line)
			continue
		}
		space := strings.Repeat(" ", max(1, p.width-len(margin)-utf8.RuneCountInString(line)-len(took)))
		fmt.Fprintln(p.out, margin+line+space+p.paint(green, took))
	}
}

// quote writes what a program says, in as many lines as it needs.
func (p *page) quote(said string) {
	for _, line := range wrap(said, p.width-len(margin)-2) {
		fmt.Fprintln(p.out, margin+"  "+p.paint(faint, line))
	}
}

// command writes a line to be copied, of any length.
func (p *page) command(line string) { fmt.Fprintln(p.out, margin+"  "+line) }

// duration writes a time as people read it.
func duration(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case ms < 0.1:
		return "< 0.1 ms"
	case ms < 1000:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// wrap breaks a text into lines of a width, between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// clip cuts a text to a width.
func clip(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-3]) + "..."
}

// pad is clip that fills up with spaces.
func pad(text string, width int) string {
	text = clip(text, width)
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}
