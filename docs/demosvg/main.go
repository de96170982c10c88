// Command demosvg draws the recorded page of a terminal, read from standard input, as an SVG on standard output:
//
//	go run ./docs/demosvg <docs/demo.txt >docs/demo.svg
//
// docs/demo.txt is what `make demo` writes to a terminal of 100 columns, from some of its steps.
// The picture has a background of its own, so that it can be read on light and on dark pages.
package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"log"
	"os"
	"strings"
)

const (
	columnWidth = 7.8 // of the font, in pixels
	lineHeight  = 17
	margin      = 16
	pageWidth   = 800
)

const head = `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve"
 viewBox="0 0 %d %d" role="img" aria-label="recorded output of make demo">
<style>
text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d8dee9; white-space: pre }
.b { font-weight: bold; fill: #ffffff } .t { fill: #8fd18f } .q { fill: #9aa5b1 }
</style>
<rect width="100%%" height="100%%" rx="8" fill="#1f2430"/>
`

// classes are the looks that the demo uses, by their codes.
var classes = map[string]string{"1": "b", "2": "q", "32": "t"}

func main() {
	if err := draw(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func draw(in io.Reader, out io.Writer) error {
	var lines []string
	for scan := bufio.NewScanner(in); ; {
		if !scan.Scan() {
			if err := scan.Err(); err != nil {
				return err
			}
			break
		}
		lines = append(lines, scan.Text())
	}
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, head, pageWidth+2*margin, len(lines)*lineHeight+2*margin)
	for i, line := range lines {
		drawLine(w, line, margin+(i+1)*lineHeight-4)
	}
	fmt.Fprintln(w, "</svg>")
	return w.Flush()
}

// drawLine writes a text element for each stretch of one look; each says where it begins, whatever the font's width is.
func drawLine(w io.Writer, line string, y int) {
	column, class := 0, ""
	for i, part := range strings.Split(line, "\x1b[") {
		if i > 0 {
			code, rest, _ := strings.Cut(part, "m")
			class, part = classes[code], rest
		}
		text := strings.TrimLeft(part, " ")
		column += len(part) - len(text)
		width := len([]rune(text))
		if text = strings.TrimRight(text, " "); text == "" {
			column += width
			continue
		}
		x, length := margin+float64(column)*columnWidth, float64(len([]rune(text)))*columnWidth
		fmt.Fprintf(w, `<text x="%.1f" y="%d" textLength="%.1f"`, x, y, length)
		if class != "" {
			fmt.Fprintf(w, ` class="%s"`, class)
		}
		fmt.Fprintf(w, ">%s</text>\n", html.EscapeString(text))
		column += width
	}
}
