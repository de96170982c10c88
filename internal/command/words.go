package command

import "strings"

// lastWords keeps the end of what is written to it.
type lastWords struct {
	text []byte
	cut  bool
}

const maxWords = 1000

func (l *lastWords) Write(b []byte) (int, error) {
	l.text = append(l.text, b[max(0, len(b)-maxWords):]...)
	if over := len(l.text) - maxWords; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	l.cut = l.cut || len(b) > maxWords || len(l.text) == maxWords
	return len(b), nil
}

// String returns it as one line that goes on after an error.
func (l *lastWords) String() string {
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(string(l.text), "?")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	switch {
	case len(lines) == 0:
		return ""
	case l.cut:
		lines[0] = "..." + lines[0]
	}
	return ": " + strings.Join(lines, "; ")
}
