package cssetcd

import (
	"fmt"
	"strings"
)

// isTabbed reports whether a text is a dump as Qserv wrote them before 2016: lines of key, TAB and value.
func isTabbed(text string) bool { return strings.HasPrefix(strings.TrimLeft(text, "\r\n"), "/") }

// scanTabbed reads such a dump, and returns what is wrong with its lines. The value \N is the empty one. The root,
// which they begin with, is in no dump of today.
func (d *Dump) scanTabbed(text string) (faults []error) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		switch {
		case key == "" && !ok, key == "/": // an empty line, or the root
			continue
		case !ok:
			faults = append(faults, fmt.Errorf("line %d: it has no TAB between key and value, as the others do", number))
			continue
		case value == `\N`:
			value = ""
		}
		d.rows = append(d.rows, row{key, value})
	}
	return faults
}
