// Package lines reads files of lines that people and programs write.
package lines

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Each reads lines of up to some bytes, without the blanks around them, but for empty ones and those that begin with #.
// What is wrong with one is told with its number.
func Each(r io.Reader, longest int, read func(line string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longest)
	number := 1
	for ; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := read(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number, err)
	}
	return nil
}
