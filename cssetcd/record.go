package cssetcd

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/packed"
)

// record reads the fields of one thing, which stand as plain keys below its key or as members of its packed key. A
// plain key wins over a packed member. The first fault is kept and the reads after it return zero values.
type record struct {
	have   *kv.Snapshot
	key    string
	below  kv.Path // of key, with a slash
	packed map[string]string
	err    error
}

// readRecord needs the packed key of key and, for each field that is then asked for, the plain key to be shown by have.
func readRecord(have *kv.Snapshot, key string) *record {
	r := &record{have: have, key: key, below: cssPath(key) + "/"}
	if e := r.plain(packedName); e.Exists() {
		p, err := packed.Parse(e.Value)
		if err != nil {
			r.err = &ValueError{packedKey(key), err.Error()}
		}
		r.packed = p.Members
	}
	return r
}

// field returns the text of a field.
func (r *record) field(name string) (text string, ok bool) {
	if e := r.plain(name); e.Exists() {
		return e.Value, true
	}
	text, ok = r.packed[name]
	return text, ok
}

func (r *record) plain(name string) kv.Entry { return r.have.At(r.below + kv.Path(name)) }

func (r *record) has(name string) bool {
	_, ok := r.field(name)
	return ok
}

func (r *record) text(name string) string {
	text, _ := r.field(name)
	return text
}

func (r *record) fail(key, format string, args ...any) {
	if r.err == nil {
		r.err = &ValueError{key, fmt.Sprintf(format, args...)}
	}
}

// failField names the key that holds the field.
func (r *record) failField(name, format string, args ...any) {
	key := packedKey(r.key) + " " + name
	if r.plain(name).Exists() {
		key = r.key + "/" + name
	}
	r.fail(key, format, args...)
}

// integer accepts a whole number in any form that JSON has, 0 when the field is absent.
func (r *record) integer(name string) int {
	text, ok := r.field(name)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err == nil {
		return int(n)
	}
	f, ok := parseNumber(text)
	if !ok || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		r.failField(name, "%q is not a whole number of 32 bits", text)
		return 0
	}
	return int(f)
}

// number is 0 when the field is absent.
func (r *record) number(name string) float64 {
	text, ok := r.field(name)
	if !ok {
		return 0
	}
	f, ok := parseNumber(text)
	if !ok {
		r.failField(name, "%q is not a number", text)
		return 0
	}
	return f
}

// parseNumber reads a decimal number and nothing else of what Go takes for one: no underscores, hexadecimal digits or
// infinities.
func parseNumber(text string) (float64, bool) {
	if strings.ContainsAny(text, "_xX") {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}

// flag is true for every whole number but 0, as in upstream.
func (r *record) flag(name string) bool { return r.integer(name) != 0 }
