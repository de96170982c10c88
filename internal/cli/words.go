package cli

import (
	"fmt"
	"os"
	"unicode/utf8"
)

// Count says how many there are of something: "1 key", "2 keys".
func Count(n int, what string) string { return Plural(n, what, what+"s") }

// Plural says it of what has a plural of its own.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Shorten cuts a text that would make a table unreadable; JSON has it whole.
func Shorten(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-3]) + "..."
}

// Owner says who this is, for those who look for the process that writes.
func Owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}
