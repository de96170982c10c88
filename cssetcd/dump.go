package cssetcd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-multierror"
)

// Dump is the content of a dump file: CSS keys and their values. It has been checked by ParseDump and keeps the rules of the
// catalogue.
type Dump struct{ values map[string]string }

// Len returns the number of keys.
func (d *Dump) Len() int { return len(d.values) }

// Keys returns the keys in byte order.
func (d *Dump) Keys() []string { return slices.Sorted(maps.Keys(d.values)) }

// Value returns the value of a key.
func (d *Dump) Value(key string) (string, bool) {
	v, ok := d.values[key]
	return v, ok
}

// WriteDump writes the keys below root, "" for all, in upstream's form: one flat JSON object of keys and string values, four
// spaces before each, "/" escaped. Keys are in byte order, so that equal catalogues give equal bytes.
func (s *Snapshot) WriteDump(w io.Writer, root string) error {
	out := bufio.NewWriterSize(w, 1<<16)
	_, _ = out.WriteString("{")
	sep := "\n    "
	for key, e := range s.Below(root) {
		_, _ = out.WriteString(sep)
		writeJSONString(out, key)
		_, _ = out.WriteString(": ")
		writeJSONString(out, e.Value)
		sep = ",\n    "
	}
	_, _ = out.WriteString("\n}\n")
	return out.Flush()
}

// CheckDump says why [ParseDump] would refuse a dump of the whole snapshot: ErrInvalid with all faults together, or nil. Names and values that
// break the rules may have come into a catalogue past this library; WriteDump writes them as they are.
func (s *Snapshot) CheckDump() error {
	d := &Dump{values: make(map[string]string, s.Len())}
	for key, e := range s.Below("") {
		d.values[key] = e.Value
	}
	if all := d.faults(); len(all) > 0 {
		return &Error{Op: "check dump", Err: fmt.Errorf("%w: %w", ErrInvalid, &multierror.Error{Errors: all, ErrorFormat: formatFaults})}
	}
	return nil
}

// ParseDump reads a dump and checks it against the rules of the catalogue: form and length of keys and values, names, names
// that differ in case only, packed values, the version. All faults are returned together, as ErrInvalid; a version of
// another number is also ErrVersionMismatch.
func ParseDump(r io.Reader) (*Dump, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, &Error{Op: "read dump", Err: err}
	}
	if bytes.HasPrefix(text, byteOrderMark) {
		return nil, &Error{Op: "read dump", Err: fmt.Errorf("%w: it begins with a UTF-8 byte order mark, which JSON must not have; save it without one", ErrInvalid)}
	}
	if reason := invalidUTF8(text); reason != "" { // the JSON decoder would replace it without a word
		return nil, &Error{Op: "read dump", Err: fmt.Errorf("%w: %s", ErrInvalid, reason)}
	}
	d := &Dump{values: map[string]string{}}
	var faults *multierror.Error
	if err := d.decode(bytes.NewReader(text), func(fault error) { faults = multierror.Append(faults, fault) }); err != nil {
		return nil, &Error{Op: "read dump", Err: fmt.Errorf("%w: %w", ErrInvalid, err)}
	}
	if at := halfCharacter(string(text)); at >= 0 {
		faults = multierror.Append(faults, fmt.Errorf("byte %d: half of a surrogate pair", at))
	}
	faults = multierror.Append(faults, d.faults()...)
	if err := faults.ErrorOrNil(); err != nil {
		faults.ErrorFormat = formatFaults
		return nil, &Error{Op: "read dump", Err: fmt.Errorf("%w: %w", ErrInvalid, faults)}
	}
	return d, nil
}

// byteOrderMark is what some editors put before a text in UTF-8.
var byteOrderMark = []byte("\ufeff")

func invalidUTF8(text []byte) string {
	if utf8.Valid(text) {
		return ""
	}
	at := 0
	for at < len(text) {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return fmt.Sprintf("byte %d is not valid UTF-8", at)
}

// shownFaults is how many of many faults a text has: what is wrong with a hundred of them is wrong with the others. The error keeps all.
const shownFaults = 100

// formatFaults puts each fault on a line of its own.
func formatFaults(faults []error) string {
	if len(faults) == 1 {
		return faults[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d faults:", len(faults))
	for _, f := range faults[:min(len(faults), shownFaults)] {
		fmt.Fprintf(&b, "\n  %v", f)
	}
	if more := len(faults) - shownFaults; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return b.String()
}

// decode reads the JSON. It returns an error when the text is not JSON of the right form; other faults go to fault.
func (d *Dump) decode(r io.Reader, fault func(error)) error {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	if t, err := dec.Token(); err != nil {
		return jsonEnd(err, dec)
	} else if t != json.Delim('{') {
		return errors.New("it is not a JSON object of keys and values")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return jsonEnd(err, dec)
		}
		key := name.(string)
		value, err := dec.Token()
		if err != nil {
			return jsonEnd(err, dec)
		}
		text, ok := scalar(value)
		if !ok {
			return fmt.Errorf("key %s holds an object or an array, and a dump is flat", key)
		}
		if _, dup := d.values[key]; dup {
			fault(fmt.Errorf("key %s stands in it twice", key))
		}
		d.values[key] = text
	}
	if _, err := dec.Token(); err != nil {
		return jsonEnd(err, dec)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

func jsonEnd(err error, dec *json.Decoder) error {
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

// faults checks everything that can be checked without a target.
func (d *Dump) faults() []error {
	var all []error
	for _, key := range d.Keys() {
		if err := checkKey(key); err != nil {
			all = append(all, err)
			continue
		}
		if err := checkValue(key, d.values[key]); err != nil {
			all = append(all, err)
		}
		if err := checkPacked(key, d.values[key]); err != nil {
			all = append(all, err)
		}
	}
	return append(append(all, d.nameFaults()...), d.versionFault()...)
}

// nameFaults checks names, and that no two keys differ in case only. Ancestors count that are not in the dump, since
// restoring it makes them.
func (d *Dump) nameFaults() []error {
	var all []error
	spelled := map[string]string{} // lower case: the key, or "" when something above it is spelled in two ways
	for _, key := range sortedKeys(d.withAncestors()) {
		if isNameKey(key) {
			if err := checkNameKey(key); err != nil {
				all = append(all, fmt.Errorf("key %s: %w", key, err))
			}
		}
		lower := strings.ToLower(key)
		other, twice := spelled[lower]
		switch {
		case spelled[parentKey(lower)] == "" && parentKey(lower) != "":
			spelled[lower] = ""
		case twice && other != "":
			all = append(all, fmt.Errorf("keys %s and %s differ in case only", other, key))
			spelled[lower] = ""
		case !twice:
			spelled[lower] = key
		}
	}
	return all
}

// withAncestors returns the keys of the dump, but for those that cannot be keys, and all their ancestors; those that are not in
// the dump have an empty value.
func (d *Dump) withAncestors() map[string]string {
	all := make(map[string]string, len(d.values))
	for key, value := range d.values {
		if checkKey(key) != nil {
			continue
		}
		all[key] = value
		for a := parentKey(key); a != ""; a = parentKey(a) {
			if _, ok := d.values[a]; ok {
				break // its own turn comes
			}
			all[a] = ""
		}
	}
	return all
}

// checkPacked refuses a value of a packed key that would not be read as it is written.
func checkPacked(key, value string) error {
	if !strings.HasSuffix(key, "/"+packedName) {
		return nil
	}
	p, err := parsePacked(value)
	if err != nil {
		return &ValueError{key, err.Error()}
	}
	if p.nested != "" {
		return &ValueError{key, "member " + p.nested + " is an object or an array"}
	}
	return nil
}

func (d *Dump) versionFault() []error {
	switch v, ok := d.values[versionKey]; {
	case !ok:
		return []error{ErrVersionMissing}
	case v != Version:
		return []error{&VersionError{Want: Version, Got: v}}
	}
	return nil
}

// pendingDrops returns the names of what the dump would start to drop.
func (d *Dump) pendingDrops() []string {
	var names []string
	for _, key := range d.Keys() {
		if isStatusKey(key) && Status(d.values[key]).State() == StatePendingDrop {
			names = append(names, key)
		}
	}
	return names
}

// isStatusKey reports whether a key holds the status of a database or table.
func isStatusKey(key string) bool { return strings.HasPrefix(key, dbsKey+"/") && isNameKey(key) }
