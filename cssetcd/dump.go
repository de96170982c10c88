package cssetcd

import (
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/flatjson"
)

// Dump is the content of a dump file: CSS keys and their values, and which chunks of databases are empty. It has been
// checked by ParseDump and keeps the rules of the catalogue.
type Dump struct {
	rows  []row // in byte order of the keys
	empty []row // database and text of a set, in byte order of the names
}

// emptyMember is what the name of a member begins with that holds the empty chunks of a database. No CSS key begins so.
const emptyMember = string(emptyRoot) + "/"

// EmptyChunks returns which chunks of a database are empty; ok is false when the dump does not say.
func (d *Dump) EmptyChunks(db string) (set ChunkSet, ok bool) {
	for _, r := range d.empty {
		if r.key == db {
			return chunkset.MustParse(r.value), true // it was checked
		}
	}
	return ChunkSet{}, false
}

// Len returns the number of keys.
func (d *Dump) Len() int { return len(d.rows) }

// Keys returns the keys in byte order.
func (d *Dump) Keys() []string {
	keys := make([]string, len(d.rows))
	for i, r := range d.rows {
		keys[i] = r.key
	}
	return keys
}

// All yields the keys in byte order, with their values.
func (d *Dump) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, r := range d.rows {
			if !yield(r.key, r.value) {
				return
			}
		}
	}
}

// Members yields the names and values of all that the dump holds, as [Snapshot.Members] does.
func (d *Dump) Members() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for key, value := range d.All() {
			if !yield(key, value) {
				return
			}
		}
		for _, r := range d.empty {
			if !yield(emptyMember+r.key, r.value) {
				return
			}
		}
	}
}

// Value returns the value of a key.
func (d *Dump) Value(key string) (string, bool) {
	i, ok := slices.BinarySearchFunc(d.rows, key, func(r row, key string) int { return strings.Compare(r.key, key) })
	if !ok {
		return "", false
	}
	return d.rows[i].value, true
}

// WriteDump writes the keys below root, "" for all, in upstream's form: one flat JSON object of keys and string values,
// four spaces before each, "/" escaped. Keys are in byte order, so that equal catalogues give equal bytes. Below "",
// "/DBS" and the key of a database, the empty chunks of databases follow, each in a member of ours: "css_empty/<db>".
func (s *Snapshot) WriteDump(w io.Writer, root string) error {
	return flatjson.Write(w, s.entries(root), func(e Entry) string { return e.Value })
}

// Members yields the names and values of what a dump of the snapshot holds, in byte order: its CSS keys, then the empty
// chunks of databases, as "css_empty/<db>".
func (s *Snapshot) Members() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, e := range s.entries("") {
			if !yield(name, e.Value) {
				return
			}
		}
	}
}

// entries are the members of a dump of what lies below a key, in byte order.
func (s *Snapshot) entries(root string) iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for key, e := range s.Below(root) {
			if !yield(key, e) {
				return
			}
		}
		for db := range s.EmptyChunksKnown() {
			if root != "" && root != dbsKey && root != dbKey(db) {
				continue
			}
			if !yield(emptyMember+db, s.kv.At(csskey.EmptyOf(db))) {
				return
			}
		}
	}
}

// CheckDump says why [ParseDump] would refuse a dump of the whole snapshot: ErrInvalid with all faults together, or
// nil. Names and values that break the rules may have come into a catalogue past this library; WriteDump writes them as
// they are.
func (s *Snapshot) CheckDump() error {
	d := &Dump{rows: make([]row, 0, s.Len())}
	for name, value := range s.Members() {
		d.rows = append(d.rows, row{name, value})
	}
	d.split()
	if err := asInvalid(&multierror.Error{Errors: d.faults()}); err != nil {
		return &Error{Op: "check dump", Err: err}
	}
	return nil
}

// NewDump makes a dump of keys and values, in any order, and checks it as [ParseDump] does. It returns ErrInvalid with
// all faults together.
func NewDump(keys iter.Seq2[string, string]) (*Dump, error) {
	d := &Dump{}
	for key, value := range keys {
		d.rows = append(d.rows, row{key, value})
	}
	faults := append(d.sort(), d.faults()...)
	if err := asInvalid(&multierror.Error{Errors: faults}); err != nil {
		return nil, &Error{Op: "make dump", Err: err}
	}
	return d, nil
}

// ParseDump reads a dump and checks it against the rules of the catalogue: form and length of keys and values, names,
// names that differ in case only, packed values, the version. It also reads what Qserv wrote before 2016, lines of key,
// TAB and value. All faults are returned together, as ErrInvalid; a version of another number is also
// ErrVersionMismatch.
func ParseDump(r io.Reader) (*Dump, error) {
	text, err := readText(r)
	if err != nil {
		return nil, &Error{Op: "read dump", Err: err}
	}
	if strings.HasPrefix(text, byteOrderMark) {
		return nil, &Error{Op: "read dump",
			Err: fmt.Errorf("%w: it begins with a UTF-8 byte order mark, which JSON must not have; save it without one",
				ErrInvalid)}
	}
	if reason := invalidUTF8(text); reason != "" { // the JSON decoder would replace it without a word
		return nil, &Error{Op: "read dump", Err: fmt.Errorf("%w: %s", ErrInvalid, reason)}
	}
	d := &Dump{}
	var faults *multierror.Error
	switch {
	case isTabbed(text):
		faults = multierror.Append(faults, d.scanTabbed(text)...)
	case !d.scan(text):
		if err := flatjson.Decode(strings.NewReader(text), func(key,
			value string) {
			d.rows = append(d.rows, row{key, value})
		}); err != nil {
			return nil, &Error{Op: "read dump", Err: fmt.Errorf("%w: %w", ErrInvalid, err)}
		}
		if at := flatjson.HalfCharacter(text); at >= 0 {
			faults = multierror.Append(faults, fmt.Errorf("byte %d: half of a surrogate pair", at))
		}
	}
	faults = multierror.Append(faults, d.sort()...)
	faults = multierror.Append(faults, d.faults()...)
	if err := asInvalid(faults); err != nil {
		return nil, &Error{Op: "read dump", Err: err}
	}
	return d, nil
}

// readText reads all, with room for all from the beginning where the reader says how much that is.
func readText(r io.Reader) (string, error) {
	var text strings.Builder
	switch sized := r.(type) {
	case interface{ Len() int }:
		text.Grow(sized.Len())
	case interface{ Stat() (fs.FileInfo, error) }:
		if info, err := sized.Stat(); err == nil && info.Mode().IsRegular() {
			text.Grow(int(info.Size()))
		}
	}
	_, err := io.Copy(&text, r)
	return text.String(), err
}

// scan reads the JSON when all values are strings, which they are unless somebody wrote the dump by hand.
func (d *Dump) scan(text string) bool {
	const aRow = 100 // bytes, about
	rows := make([]row, 0, len(text)/aRow)
	ok := flatjson.ScanCopy(text, func(key, value string) { rows = append(rows, row{key, value}) })
	if ok {
		d.rows = rows
	}
	return ok
}

// sort brings the rows into byte order of their keys, and returns a fault for each key that stands there more than
// once.
func (d *Dump) sort() (faults []error) {
	byKey := func(a, b row) int { return strings.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(d.rows, byKey) {
		slices.SortStableFunc(d.rows, byKey)
	}
	for i := 1; i < len(d.rows); i++ {
		if d.rows[i].key == d.rows[i-1].key {
			faults = append(faults, fmt.Errorf("duplicate key %s", d.rows[i].key))
		}
	}
	if faults != nil {
		d.rows = slices.CompactFunc(d.rows, func(a, b row) bool { return a.key == b.key })
	}
	d.split()
	return faults
}

// split takes the empty chunks out of the rows, which are in byte order.
func (d *Dump) split() {
	isEmpty := func(r row) bool { return strings.HasPrefix(r.key, emptyMember) }
	first := slices.IndexFunc(d.rows, isEmpty)
	if first < 0 {
		return
	}
	last := first
	for ; last < len(d.rows) && isEmpty(d.rows[last]); last++ {
		d.empty = append(d.empty, row{strings.TrimPrefix(d.rows[last].key, emptyMember), d.rows[last].value})
	}
	d.rows = slices.Delete(d.rows, first, last)
}

// byteOrderMark is what some editors put before a text in UTF-8.
const byteOrderMark = "\ufeff"

func invalidUTF8(text string) string {
	if utf8.ValidString(text) {
		return ""
	}
	at := 0
	for at < len(text) {
		r, n := utf8.DecodeRuneInString(text[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return fmt.Sprintf("byte %d is not valid UTF-8", at)
}
