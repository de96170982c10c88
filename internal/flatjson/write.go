package flatjson

import (
	"fmt"
	"io"
)

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
