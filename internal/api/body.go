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
	"strings"
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
	var raw any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return v, badBody("the body is no JSON: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, badBody("something stands behind the JSON of the body")
	}
	if err := conforms(raw, reflect.TypeFor[T](), "the body"); err != nil {
		return v, err
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, badBody("the body: %v", err)
	}
	return v, nil
}

// conforms reports what of a JSON value has no place in a type. The names of fields count as they are written.
func conforms(value any, t reflect.Type, where string) error {
	if t.Kind() == reflect.Pointer {
		if value == nil {
			return nil
		}
		t = t.Elem()
	}
	switch value := value.(type) {
	case nil:
		return badBody("%s is null", where)
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return badBody("%s is an object", where)
		}
		fields := fieldsOf(t)
		for name, inner := range value {
			field, ok := fields[name]
			if !ok {
				return badBody("%s has a field %.100q, which means nothing here", where, name)
			}
			if err := conforms(inner, field, name); err != nil {
				return err
			}
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return badBody("%s is an array", where)
		}
		for i, inner := range value {
			if err := conforms(inner, t.Elem(), fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
	default: // of a value of the wrong type the decoder tells
	}
	return nil
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
