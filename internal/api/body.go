package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// largestBody is as large as any body of a write may be; a value of a key is far smaller.
const largestBody = 4 << 20

// readBody reads the body of a write. One that is no JSON by its type is refused: a web page elsewhere could send it.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, refuse(http.StatusRequestEntityTooLarge, "body_too_large", "the body has more than %d bytes", largestBody)
	case err != nil:
		return nil, badBody("the body cannot be read: %v", err)
	case len(body) == 0:
		return nil, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != contentJSON {
		return nil, refuse(http.StatusUnsupportedMediaType, "not_json", "the body has the type %.100q and must have %s",
			r.Header.Get("Content-Type"), contentJSON)
	}
	return body, nil
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

func badBody(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "bad_body", format, args...)
}

// parseBody reads JSON of a form. A field that the form does not have is refused, and so is a null where the form has a
// value: what is mistyped must not be passed over.
func parseBody[T any](body []byte) (v T, err error) {
	if len(body) == 0 {
		return v, badBody("the request has no body")
	}
	if !utf8.Valid(body) {
		return v, badBody("the body is not UTF-8")
	}
	if err := json.Unmarshal(body, new(json.RawMessage)); err != nil {
		return v, badBody("the body is no JSON: %v", err)
	}
	if hasHalf(body) {
		return v, badBody(`the body has half a character: \ud800 to \udfff mean nothing alone`)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := conforms(d, reflect.TypeFor[T](), "the body"); err != nil {
		return v, err
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, badBody("the body: %v", err)
	}
	return v, nil
}

// conforms reports what of the next JSON value has no place in a type. The names of fields count as they are written,
// and each comes once.
func conforms(d *json.Decoder, t reflect.Type, where string) error {
	token, err := d.Token()
	if err != nil {
		return badBody("the body is no JSON: %v", err)
	}
	if t.Kind() == reflect.Pointer {
		if token == nil {
			return nil
		}
		t = t.Elem()
	}
	switch token {
	case nil:
		return badBody("%s is null", where)
	case json.Delim('{'):
		if t.Kind() != reflect.Struct {
			return badBody("%s is an object", where)
		}
		return conformsInside(d, t, where)
	case json.Delim('['):
		if t.Kind() != reflect.Slice {
			return badBody("%s is an array", where)
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
			return badBody("the body is no JSON: %v", err)
		}
		name, _ := token.(string)
		field, ok := fields[name]
		switch {
		case !ok:
			return badBody("%s has a field %.100q, which means nothing here", where, name)
		case seen[name]:
			return badBody("%s has the field %s twice", where, name)
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
