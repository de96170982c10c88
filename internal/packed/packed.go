// Package packed reads and writes the values of packed keys.
package packed

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/qserv/css-etcd/internal/flatjson"
)

// Object is the content of a packed key: a JSON object whose scalar members stand for keys beside it.
type Object struct {
	Members map[string]string // never nil
	Nested  string            // quoted name of a member that is an object or an array; "" when there is none
}

// Parse reads the value of a packed key as upstream does: numbers, true, false and null become their text, of two
// members with one name the first counts, objects and arrays are passed over. A value that is empty, or JSON but not an
// object, has no members. Anything else is an error.
func Parse(value string) (Object, error) {
	p := Object{Members: map[string]string{}}
	if strings.TrimSpace(value) == "" {
		return p, nil
	}
	if !utf8.ValidString(value) {
		return p, errors.New("not valid UTF-8")
	}
	if flatjson.Scan(value, func(name, value string) {
		if _, ok := p.Members[name]; !ok {
			p.Members[name] = value
		}
	}) {
		return p, nil
	}
	clear(p.Members)
	if !json.Valid([]byte(value)) {
		return p, fmt.Errorf("not JSON: %w", json.Unmarshal([]byte(value), new(any)))
	}
	if at := flatjson.HalfCharacter(value); at >= 0 {
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

func (p *Object) add(name string, raw json.RawMessage) error {
	if raw[0] == '{' || raw[0] == '[' {
		if p.Nested == "" {
			p.Nested = strconv.Quote(name)
		}
		return nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	p.Members[name] = text
	return nil
}

// Format writes members as upstream does: names in byte order, every value a string, one space at the end.
func Format(members map[string]string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			b.WriteByte(',')
		}
		flatjson.WriteString(&b, name)
		b.WriteByte(':')
		flatjson.WriteString(&b, members[name])
	}
	b.WriteString("} ")
	return b.String()
}

// Check says why a value would not be read as it is written; nil when it would.
func Check(value string) error {
	if utf8.ValidString(value) && flatjson.Scan(value, func(string, string) {}) {
		return nil
	}
	p, err := Parse(value)
	if err != nil {
		return err
	}
	if p.Nested != "" {
		return errors.New("member " + p.Nested + " is an object or an array")
	}
	return nil
}
