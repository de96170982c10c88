package columns

import (
	"fmt"
	"strings"

	"errors"
)

// blanks are what SQL takes for white space; others, such as a no-break space, may be part of a name.
const blanks = " \t\n\v\f\r"

// withoutComments returns SQL with a blank in the place of each comment. Of the comments whose content a server
// executes, the content stays where the newest MariaDB would execute it.
func withoutComments(text string) (string, error) {
	var out strings.Builder
	executed := false // within a comment whose content stays
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case strings.IndexByte("`'\"", text[i]) >= 0:
			end := endOfQuoted(text, i)
			if end < 0 {
				return "", fmt.Errorf("a quote at byte %d of the schema does not end", i)
			}
			out.WriteString(text[i : end+1])
			i = end + 1
			continue
		case executed && strings.HasPrefix(rest, "*/"):
			executed = false
			i += len("*/")
		case executableComment(rest) > 0 && !executed:
			executed = true
			i += executableComment(rest)
		default:
			n, err := commentLength(rest)
			if err != nil {
				return "", fmt.Errorf("%w at byte %d", err, i)
			}
			if n == 0 {
				out.WriteByte(text[i])
				i++
				continue
			}
			i += n
		}
		out.WriteByte(' ')
	}
	if executed {
		return "", errors.New("a comment of the schema does not end")
	}
	return out.String(), nil
}

// commentLength returns the length of the comment that text begins with, 0 when it begins with none.
func commentLength(text string) (int, error) {
	switch {
	case text[0] == '#' || startsDashComment(text):
		if end := strings.IndexByte(text, '\n'); end >= 0 {
			return end + 1, nil
		}
		return len(text), nil
	case strings.HasPrefix(text, "/*"):
		depth := 1
		for i := 2; i+1 < len(text); i++ {
			switch {
			case text[i:i+2] == "*/":
				if depth--; depth == 0 {
					return i + 2, nil
				}
				i++
			case text[i:i+2] == "/*" && depth == 1 && hasVersion(text):
				depth++
				i++
			}
		}
		return 0, errors.New("a comment of the schema does not end")
	}
	return 0, nil
}

// startsDashComment: two dashes begin a comment only when a blank or a control character follows, or nothing.
func startsDashComment(text string) bool {
	return strings.HasPrefix(text, "--") && (len(text) == 2 || text[2] <= ' ' || text[2] == 0x7f)
}

func hasVersion(text string) bool {
	return strings.HasPrefix(text, "/*!") || strings.HasPrefix(text, "/*M!")
}

// executableComment returns the length of the opening of a comment whose content MariaDB executes, 0 for any other
// text. It passes over what is for MySQL from version 5.7 on, unless marked as its own by an M.
func executableComment(text string) int {
	if !hasVersion(text) {
		return 0
	}
	opening := strings.IndexByte(text, '!') + 1
	version, digits := 0, 0
	for digits < 6 && opening+digits < len(text) && text[opening+digits] >= '0' && text[opening+digits] <= '9' {
		version = version*10 + int(text[opening+digits]-'0')
		digits++
	}
	if digits < 5 {
		return opening
	}
	if text[2] == '!' && version >= 50700 && version <= 99999 {
		return 0
	}
	return opening + digits
}

// hasWord reports whether SQL without comments contains a word outside of quotes.
func hasWord(text, word string) bool {
	for i := 0; i < len(text); i++ {
		switch {
		case strings.IndexByte("`'\"", text[i]) >= 0:
			end := endOfQuoted(text, i)
			if end < 0 {
				return false
			}
			i = end
		case isNameByte(text[i]):
			end := i
			for end < len(text) && isNameByte(text[end]) {
				end++
			}
			if strings.EqualFold(text[i:end], word) {
				return true
			}
			i = end - 1
		}
	}
	return false
}

// isNameByte reports whether a byte can be in a name that is not quoted.
func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
