package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
)

// TestPagesFitTheTerminal, from 80 columns on, and lose nothing that a program said.
func TestPagesFitTheTerminal(t *testing.T) {
	t.Parallel()
	for columns, want := range map[int]int{0: 100, 40: 80, 80: 80, 93: 93, 100: 100, 200: 100} {
		assert.Equal(t, want, pageFor(columns))
		var out bytes.Buffer
		d := &demo{page: page{out: &cli.FirstError{W: &out}, width: pageFor(columns)}}
		words := strings.Repeat("of what there is ", 9)
		said := strings.Repeat("as a program says ", 9) + "in the end"
		d.step(words)
		d.text(words)
		d.factIn(time.Second, "%s", words)
		d.quote(said)
		d.columns([]shownKey{{depth: 6, name: ".packed.json", value: words, rowVal: words}})
		for line := range strings.Lines(out.String()) {
			assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), want, line)
		}
		assert.Contains(t, strings.Join(strings.Fields(out.String()), " "), said)
	}
}
