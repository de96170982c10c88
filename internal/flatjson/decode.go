// Package flatjson reads and writes JSON objects whose members are scalars, in upstream's form: dumps and packed
// values.
package flatjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Decode calls f with the name and the value of each member of a JSON object whose members are scalars, each as its
// text. It returns an error when the text is anything else, even after some calls.
func Decode(r io.Reader, f func(name, value string)) error {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	if t, err := dec.Token(); err != nil {
		return endOf(err, dec)
	} else if t != json.Delim('{') {
		return errors.New("it is not a JSON object of keys and values")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return endOf(err, dec)
		}
		key := name.(string)
		value, err := dec.Token()
		if err != nil {
			return endOf(err, dec)
		}
		text, ok := scalar(value)
		if !ok {
			return fmt.Errorf("key %s holds an object or an array, and a dump is flat", key)
		}
		f(key, text)
	}
	if _, err := dec.Token(); err != nil {
		return endOf(err, dec)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("trailing data after the JSON object")
	}
	return nil
}

func endOf(err error, dec *json.Decoder) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the JSON ends in the middle, after %d bytes", dec.InputOffset())
	}
	return fmt.Errorf("not JSON, at byte %d: %w", dec.InputOffset(), err)
}

func scalar(t json.Token) (string, bool) {
	switch v := t.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	case nil:
		return "null", true
	}
	return "", false
}

// HalfCharacter returns where valid JSON has a \u escape that is half of a surrogate pair, which the decoder would
// replace without a word, or -1.
func HalfCharacter(text string) int {
	const pair = len(`\uD800\uDC00`)
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if i++; text[i] != 'u' {
			continue
		}
		r := unitOf(text[i+1:])
		if !utf16.IsSurrogate(r) {
			continue
		}
		rest := text[i-1:]
		if len(rest) < pair || rest[6:8] != `\u` || utf16.DecodeRune(r, unitOf(rest[8:])) == utf8.RuneError {
			return i - 1
		}
		i += pair - 2
	}
	return -1
}

// unitOf returns the code unit that four hexadecimal digits stand for.
func unitOf(digits string) rune {
	n, _ := strconv.ParseUint(digits[:4], 16, 16)
	return rune(n)
}
