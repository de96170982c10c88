package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

type outputFlags struct{ form string }

func (o *outputFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&o.form, "write-out", "w", "table", "form of the output: table or json")
	allowEnvironment(flags, []string{"write-out"}, ownPrefix)
}

func (o *outputFlags) check() error {
	if o.form != "table" && o.form != "json" {
		return fmt.Errorf("--write-out %q is neither table nor json", o.form)
	}
	return nil
}

func (o *outputFlags) json() bool { return o.form == "json" }

// print writes what a command found: as JSON, or as text.
func (p *program) print(value any, text func(io.Writer)) error {
	if !p.output.json() {
		w := &firstError{w: p.stdout}
		text(w)
		return w.err
	}
	return writeJSON(p.stdout, value, "  ")
}

func writeJSON(w io.Writer, value any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(value)
}

// firstError keeps the error of the write that failed, so that text functions need not look at each.
type firstError struct {
	w   io.Writer
	err error
}

func (f *firstError) Write(b []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.w.Write(b)
	f.err = err
	return n, err
}

// table is rows of cells below a header.
type table struct {
	header []string
	rows   [][]string
	// Widest bounds how far a column is filled up: a cell that is longer moves the rest of its own line and of no other. 0: not at all.
	widest int
}

func (t table) write(w io.Writer) {
	const gap = "   "
	var lines [][]string
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		line := cells(row, len(t.header))
		lines = append(lines, line)
		for i, text := range line {
			if n := utf8.RuneCountInString(text); t.widest == 0 || n <= t.widest {
				widths[i] = max(widths[i], n)
			}
		}
	}
	for _, line := range lines {
		for i, text := range line[:len(line)-1] {
			line[i] = text + strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(text)))
		}
		fmt.Fprintln(w, strings.Join(line, gap))
	}
}

// facts is a list of names and values; those without a value are left out.
type facts [][2]string

func (f facts) write(w io.Writer) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, fact := range f {
		if fact[1] != "" {
			fmt.Fprintf(tab, "%s:\t%s\n", fact[0], cell(fact[1]))
		}
	}
	_ = tab.Flush()
}

// cells fills up a row, so that all its columns stand below each other.
func cells(row []string, n int) []string {
	out := slices.Repeat([]string{"-"}, n)
	for i, text := range row {
		if text != "" {
			out[i] = cell(text)
		}
	}
	return out
}

// cell keeps a text within its cell and the terminal unharmed.
func cell(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return strconv.Quote(text)
	}
	return text
}

// degrees is a number as it was written.
func degrees(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
