package flatjson

import (
	"bufio"
	"fmt"
	"io"
	"iter"
)

// Write writes a JSON object with a member a line, four spaces before each, in the order in which they come.
func Write[V any](w io.Writer, members iter.Seq2[string, V], text func(V) string) error {
	out := bufio.NewWriterSize(w, 1<<16)
	_, _ = out.WriteString("{")
	sep := "\n    "
	for name, value := range members {
		_, _ = out.WriteString(sep)
		WriteString(out, name)
		_, _ = out.WriteString(": ")
		WriteString(out, text(value))
		sep = ",\n    "
	}
	_, _ = out.WriteString("\n}\n")
	return out.Flush()
}

// WriteString quotes a string as upstream's JSON library does: "/" is escaped, UTF-8 is not.
func WriteString(w io.StringWriter, s string) {
	_, _ = w.WriteString(`"`)
	start := 0
	for i := range len(s) {
		if esc := escapeOf(s[i]); esc != "" {
			_, _ = w.WriteString(s[start:i] + esc)
			start = i + 1
		}
	}
	_, _ = w.WriteString(s[start:] + `"`)
}

func escapeOf(c byte) string {
	switch c {
	case '/':
		return `\/`
	case '"':
		return `\"`
	case '\\':
		return `\\`
	case '\b':
		return `\b`
	case '\f':
		return `\f`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	if c < 0x20 {
		return fmt.Sprintf(`\u%04X`, c)
	}
	return ""
}
