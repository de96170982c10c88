package qservcnf

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// section returns the keys and values of one section. A line that cannot be understood is an error wherever it stands,
// as it is for Qserv; a key that stands twice is one in the section asked for.
func section(r io.Reader, name string) (map[string]string, error) {
	values := map[string]string{}
	found, inside := false, false
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			title, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return nil, fmt.Errorf("line %d: the section's name has no closing bracket", n)
			}
			inside = strings.TrimSpace(title) == name
			if inside && found {
				return nil, fmt.Errorf("line %d: duplicate section [%s]", n, name)
			}
			found = found || inside
		default:
			key, value, ok := strings.Cut(line, "=")
			if key = strings.TrimSpace(key); !ok || key == "" {
				return nil, fmt.Errorf("line %d: neither a section, nor key = value, nor a comment", n)
			}
			if !inside {
				continue
			}
			if _, dup := values[key]; dup {
				return nil, fmt.Errorf("line %d: %s stands twice in section [%s]", n, key, name)
			}
			values[key] = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("there is no section [%s]", name)
	}
	return values, nil
}
