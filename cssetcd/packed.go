package cssetcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// packed is the content of a packed key: a JSON object whose scalar members stand for keys beside it.
type packed struct {
	members map[string]string
	nested  string // name of a member that is an object or an array; "" when there is none
}

// parsePacked reads the value of a packed key as upstream does: numbers, true, false and null become their text, of two
// members with one name the first counts, objects and arrays are passed over. A value that is empty, or JSON but not an object, has no
// members. Anything else is an error.
func parsePacked(value string) (packed, error) {
	p := packed{members: map[string]string{}}
	if strings.TrimSpace(value) == "" {
		return p, nil
	}
	if !utf8.ValidString(value) {
		return p, errors.New("not valid UTF-8")
	}
	flat := flatScanner{text: value}
	if flat.members(func(name, value string) {
		if _, ok := p.members[name]; !ok {
			p.members[name] = value
		}
	}) {
		return p, nil
	}
	clear(p.members)
	if !json.Valid([]byte(value)) {
		return p, fmt.Errorf("not JSON: %w", json.Unmarshal([]byte(value), new(any)))
	}
	if at := halfCharacter(value); at >= 0 {
		return p, fmt.Errorf("byte %d: half of a surrogate pair", at)
	}
	dec := json.NewDecoder(strings.NewReader(value))
	dec.UseNumber()
	seen := map[string]bool{}
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return p, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return p, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return p, err
		}
		if name := name.(string); !seen[name] {
			seen[name] = true
			if err := p.add(name, raw); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

func (p *packed) add(name string, raw json.RawMessage) error {
	if raw[0] == '{' || raw[0] == '[' {
		if p.nested == "" {
			p.nested = strconv.Quote(name)
		}
		return nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	p.members[name] = text
	return nil
}

// halfCharacter returns where valid JSON has a \u escape that is half of a surrogate pair, which the decoder would replace
// without a word, or -1.
func halfCharacter(text string) int {
	const pair = len(`\uD800\uDC00`)
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if i++; text[i] != 'u' {
			continue
		}
		r := escaped(text[i+1:])
		if !utf16.IsSurrogate(r) {
			continue
		}
		rest := text[i-1:]
		if len(rest) < pair || rest[6:8] != `\u` || utf16.DecodeRune(r, escaped(rest[8:])) == utf8.RuneError {
			return i - 1
		}
		i += pair - 2
	}
	return -1
}

// escaped returns the code unit that four hexadecimal digits stand for.
func escaped(digits string) rune {
	n, _ := strconv.ParseUint(digits[:4], 16, 16)
	return rune(n)
}

// formatPacked writes members as upstream does: names in byte order, every value a string, one space at the end.
func formatPacked(members map[string]string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			b.WriteByte(',')
		}
		writeJSONString(&b, name)
		b.WriteByte(':')
		writeJSONString(&b, members[name])
	}
	b.WriteString("} ")
	return b.String()
}

// writeJSONString quotes a string as upstream's JSON library does: "/" is escaped, UTF-8 is not.
func writeJSONString(w io.StringWriter, s string) {
	_, _ = w.WriteString(`"`)
	start := 0
	for i := range len(s) {
		if esc := jsonEscape(s[i]); esc != "" {
			_, _ = w.WriteString(s[start:i] + esc)
			start = i + 1
		}
	}
	_, _ = w.WriteString(s[start:] + `"`)
}

func jsonEscape(c byte) string {
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

// formatFloat writes a number as upstream does, with six decimals, where that loses nothing, and else in the shortest form
// that reads back equal: upstream's six decimals turn 1e-7 into 0.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', 6, 64)
	if back, err := strconv.ParseFloat(s, 64); err == nil && back == f {
		return s
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func formatBool(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
