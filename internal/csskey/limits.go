package csskey

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What kvData can hold.
const (
	MaxName  = 64     // characters of a name
	MaxKey   = 255    // bytes of a key; upstream's own limit is in bytes, too
	MaxValue = 65_535 // bytes of a value
)

// TextFault says why MySQL's utf8mb3, or a text of C, cannot hold a text; "" when they can.
func TextFault(text string) string {
	for i, r := range text {
		switch {
		case r == 0:
			return fmt.Sprintf("byte %d is NUL, at which programs in C take a text to end", i)
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			return fmt.Sprintf("byte %d is not valid UTF-8", i)
		case r > 0xffff:
			return fmt.Sprintf("%q at byte %d takes 4 bytes in UTF-8 and kvData holds 3", r, i)
		}
	}
	return ""
}
