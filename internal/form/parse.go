package form

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Parse reads JSON of a form; what is what errors call it. A field that the form does not have is refused, and so are
// one that comes twice and a null where the form has a value: what is mistyped must not be passed over.
func Parse[T any](text []byte, what string) (v T, err error) {
	if !utf8.Valid(text) {
		return v, fmt.Errorf("%s is not UTF-8", what)
	}
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		return v, fmt.Errorf("%s is no JSON: %w", what, err)
	}
	if hasHalf(text) {
		return v, fmt.Errorf(`%s has half a character: \ud800 to \udfff mean nothing alone`, what)
	}
	if err := conforms(json.NewDecoder(bytes.NewReader(text)), reflect.TypeFor[T](), what); err != nil {
		return v, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

// hasHalf reports whether JSON has the escape of a half of a character that stands alone. What reads it would put
// something else in its place.
func hasHalf(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		first := escaped(text[i:])
		switch {
		case !utf16.IsSurrogate(first):
			i++ // what is escaped may be a backslash
		case utf16.DecodeRune(first, escaped(text[min(i+6, len(text)):])) == utf8.RuneError:
			return true
		default:
			i += 11
		}
	}
	return false
}

// escaped returns the number that a text begins with as an escape, 0 when it does not.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	n, _ := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n)
}

// conforms reports what of the next JSON value has no place in a type. The names of fields count as they are written,
// and each comes once.
func conforms(d *json.Decoder, t reflect.Type, where string) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("%s is no JSON: %w", where, err)
	}
	if t.Kind() == reflect.Pointer {
		if token == nil {
			return nil
		}
		t = t.Elem()
	}
	switch token {
	case nil:
		return fmt.Errorf("%s is null", where)
	case json.Delim('{'):
		if t.Kind() != reflect.Struct {
			return fmt.Errorf("%s is an object", where)
		}
		return conformsInside(d, t, where)
	case json.Delim('['):
		if t.Kind() != reflect.Slice {
			return fmt.Errorf("%s is an array", where)
		}
		for i := 0; d.More(); i++ {
			if err := conforms(d, t.Elem(), fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
		_, err = d.Token()
		return err
	default: // of a value of the wrong type the decoder tells
		return nil
	}
}

// conformsInside is conforms of an object that has begun.
func conformsInside(d *json.Decoder, t reflect.Type, where string) error {
	fields, seen := fieldsOf(t), map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return fmt.Errorf("%s is no JSON: %w", where, err)
		}
		name, _ := token.(string)
		field, ok := fields[name]
		switch {
		case !ok:
			return fmt.Errorf("%s has a field %.100q, which means nothing here", where, name)
		case seen[name]:
			return fmt.Errorf("%s has the field %s twice", where, name)
		}
		seen[name] = true
		if err := conforms(d, field, name); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// fieldsOf returns the fields of a form by their names in JSON.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			maps.Copy(fields, fieldsOf(f.Type))
		case name != "":
			fields[name] = f.Type
		}
	}
	return fields
}
