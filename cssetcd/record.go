package cssetcd

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// record reads the fields of one thing, which stand as plain keys below its key or as members of its packed key. A plain key
// wins over a packed member. The first fault is kept and the reads after it return zero values.
type record struct {
	have   *kv.Snapshot
	key    string
	packed map[string]string
	err    error
}

// readRecord needs the packed key of key and, for each field that is then asked for, the plain key to be shown by have.
func readRecord(have *kv.Snapshot, key string) *record {
	r := &record{have: have, key: key}
	if e := have.At(cssPath(packedKey(key))); e.Exists() {
		p, err := parsePacked(e.Value)
		if err != nil {
			r.err = &ValueError{packedKey(key), err.Error()}
		}
		r.packed = p.members
	}
	return r
}

// field returns the text of a field and the key that holds it.
func (r *record) field(name string) (text, key string, ok bool) {
	plain := r.key + "/" + name
	if e := r.have.At(cssPath(plain)); e.Exists() {
		return e.Value, plain, true
	}
	text, ok = r.packed[name]
	return text, packedKey(r.key) + " " + name, ok
}

func (r *record) has(name string) bool {
	_, _, ok := r.field(name)
	return ok
}

func (r *record) text(name string) string {
	text, _, _ := r.field(name)
	return text
}

func (r *record) fail(key, format string, args ...any) {
	if r.err == nil {
		r.err = &ValueError{key, fmt.Sprintf(format, args...)}
	}
}

// integer accepts a whole number in any form that JSON has, 0 when the field is absent.
func (r *record) integer(name string) int {
	text, key, ok := r.field(name)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err == nil {
		return int(n)
	}
	f, ok := parseNumber(text)
	if !ok || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		r.fail(key, "%q is not a whole number of 32 bits", text)
		return 0
	}
	return int(f)
}

// number is 0 when the field is absent.
func (r *record) number(name string) float64 {
	text, key, ok := r.field(name)
	if !ok {
		return 0
	}
	f, ok := parseNumber(text)
	if !ok {
		r.fail(key, "%q is not a number", text)
		return 0
	}
	return f
}

// parseNumber reads a decimal number and nothing else of what Go takes for one: no underscores, hexadecimal digits or infinities.
func parseNumber(text string) (float64, bool) {
	if strings.ContainsAny(text, "_xX") {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}

// flag is true for every whole number but 0, as in upstream.
func (r *record) flag(name string) bool { return r.integer(name) != 0 }
