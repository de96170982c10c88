package cli

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
	AllowEnvironment(flags, []string{"write-out"}, OwnPrefix)
}

func (o *outputFlags) check(flags *pflag.FlagSet) error {
	if o.form != "table" && o.form != "json" {
		return fmt.Errorf("%s %q is neither table nor json", Named(flags, "write-out"), o.form)
	}
	return nil
}

func (o *outputFlags) JSON() bool { return o.form == "json" }

// Print writes what a command found: as JSON, or as text, in which nothing is left that a terminal obeys.
func (p *Program) Print(value any, text func(io.Writer)) error {
	return p.PrintExactly(value, func(w io.Writer) {
		var b strings.Builder
		text(&b)
		_, _ = io.WriteString(w, Printable(b.String()))
	})
}

// PrintExactly is Print for a text that another program reads, which has to be as it is.
func (p *Program) PrintExactly(value any, text func(io.Writer)) error {
	if !p.Output.JSON() {
		w := &FirstError{W: p.Stdout}
		text(w)
		return w.Err
	}
	return WriteJSON(p.Stdout, value, "  ")
}

func WriteJSON(w io.Writer, value any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(value)
}

// FirstError keeps the error of the write that failed, so that text functions need not look at each.
type FirstError struct {
	W   io.Writer
	Err error
}

func (f *FirstError) Write(b []byte) (int, error) {
	if f.Err != nil {
		return 0, f.Err
	}
	n, err := f.W.Write(b)
	f.Err = err
	return n, err
}

// Table is rows of cells below a header.
type Table struct {
	Header []string
	Rows   [][]string
	// Widest bounds how far a column is filled up: a cell that is longer moves the rest of its own line and of no other.
	// 0: not at all.
	Widest int
}

func (t Table) Write(w io.Writer) {
	const gap = "   "
	var lines [][]string
	widths := make([]int, len(t.Header))
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		line := cells(row, len(t.Header))
		lines = append(lines, line)
		for i, text := range line {
			if n := utf8.RuneCountInString(text); t.Widest == 0 || n <= t.Widest {
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

// Facts is a list of names and values; those without a value are left out.
type Facts [][2]string

func (f Facts) Write(w io.Writer) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, fact := range f {
		if fact[1] != "" {
			fmt.Fprintf(tab, "%s:\t%s\n", fact[0], Cell(fact[1]))
		}
	}
	_ = tab.Flush()
}

// cells fills up a row, so that all its columns stand below each other.
func cells(row []string, n int) []string {
	out := slices.Repeat([]string{"-"}, n)
	for i, text := range row {
		if text != "" {
			out[i] = Cell(text)
		}
	}
	return out
}

// Printable returns a text of lines with what a terminal does not show as a character, or obeys, as Go writes it in
// quotes: \x1b, \u202e.
func Printable(text string) string {
	hidden := func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }
	if utf8.ValidString(text) && strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var b strings.Builder
	for rest := text; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		if r == utf8.RuneError && n == 1 || hidden(r) {
			quoted := strconv.Quote(rest[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	return b.String()
}

// Cell keeps a text within its cell and the terminal unharmed.
func Cell(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return strconv.Quote(text)
	}
	return text
}

// Degrees is a number as it was written.
func Degrees(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
