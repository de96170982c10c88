package cssetcd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/packed"
)

// faults checks everything that can be checked without a target.
func (d *Dump) faults() []error {
	var all []error
	for _, r := range d.rows {
		if err := checkKey(r.key); err != nil {
			all = append(all, err)
			continue
		}
		if err := checkValue(r.key, r.value); err != nil {
			all = append(all, err)
		}
		if err := checkPacked(r.key, r.value); err != nil {
			all = append(all, err)
		}
		if err := rangeFault(r.key, r.value); err != nil {
			all = append(all, err)
		}
	}
	if len(all) > 0 || !d.namesAreClean() {
		all = append(all, d.nameFaults()...)
	}
	return append(append(all, d.emptyFaults()...), d.versionFault()...)
}

// emptyFaults checks what the dump says of empty chunks.
func (d *Dump) emptyFaults() []error {
	var all []error
	for _, r := range d.empty {
		key := dbKey(r.key)
		at, _ := slices.BinarySearchFunc(d.rows, key, func(r row, key string) int { return strings.Compare(r.key, key) })
		for at < len(d.rows) && d.rows[at].key != key && strings.HasPrefix(d.rows[at].key, key) &&
			!isBelow(d.rows[at].key, key) {
			at++ // "/DBS/a b" lies between "/DBS/a" and "/DBS/a/..."
		}
		there := at < len(d.rows) && (d.rows[at].key == key || isBelow(d.rows[at].key, key))
		if checkPart("database", r.key) != nil || !there {
			all = append(all, &ValueError{emptyMember + r.key, "the dump has no database " + strconv.Quote(r.key)})
		}
		if _, err := chunkset.Parse(r.value); err != nil {
			all = append(all, &ValueError{emptyMember + r.key, err.Error()})
		}
		if n := len(r.value); n > maxEmptyText {
			all = append(all, &ValueError{emptyMember + r.key, fmt.Sprintf("%d bytes; at most %d fit", n, maxEmptyText)})
		}
	}
	return all
}

// namesAreClean reports whether nameFaults would find nothing. It is quick, and may say no of a dump that has no fault.
func (d *Dump) namesAreClean() bool {
	folded := make([]uint64, 0, len(d.rows)+len(d.rows)/2)
	for key := range d.eachWithAncestors() {
		if isNameKey(key) && checkNameKey(key) != nil {
			return false
		}
		folded = append(folded, foldedHash(key))
	}
	slices.Sort(folded)
	return len(slices.Compact(folded)) == len(folded)
}

// eachWithAncestors yields each key, and each ancestor that is no key of the dump, once. All keys must be keys.
func (d *Dump) eachWithAncestors() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var above []string // the ancestors of the last key, and it
		for _, r := range d.rows {
			for len(above) > 0 && !isBelow(r.key, above[len(above)-1]) {
				above = above[:len(above)-1]
			}
			depth := 0
			if len(above) > 0 {
				depth = len(above[len(above)-1])
			}
			for i := depth + 1; i < len(r.key); i++ {
				if r.key[i] != '/' {
					continue
				}
				ancestor := r.key[:i]
				above = append(above, ancestor)
				// Something may sort between a key and what lies below it ("/a" < "/a b" < "/a/x"), so it may have been
				// yielded already.
				if _, ok := d.Value(ancestor); !ok && !yield(ancestor) {
					return
				}
			}
			above = append(above, r.key)
			if !yield(r.key) {
				return
			}
		}
	}
}

func isBelow(key, above string) bool {
	return len(key) > len(above) && key[len(above)] == '/' && key[:len(above)] == above
}

// foldedHash is equal for keys that differ in case only.
func foldedHash(key string) uint64 {
	for i := range len(key) {
		if key[i] >= utf8.RuneSelf {
			key = strings.ToLower(key)
			break
		}
	}
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for i := range len(key) {
		c := key[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint64(c)) * prime
	}
	return h
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

// withAncestors returns the keys of the dump, but for those that cannot be keys, and all their ancestors; those that
// are not in the dump have an empty value.
func (d *Dump) withAncestors() map[string]string {
	all := make(map[string]string, len(d.rows)+len(d.rows)/2)
	for _, r := range d.rows {
		if checkKey(r.key) == nil {
			all[r.key] = r.value
		}
	}
	for _, r := range d.rows {
		if _, ok := all[r.key]; !ok {
			continue
		}
		for a := parentKey(r.key); a != ""; a = parentKey(a) {
			if _, ok := all[a]; ok {
				break // and so are those above it, or their own turn comes
			}
			all[a] = ""
		}
	}
	return all
}

// checkPacked refuses a value of a packed key that would not be read as it is written.
func checkPacked(key, value string) error {
	if _, isPacked := csskey.CutPacked(key); !isPacked {
		return nil
	}
	if err := packed.Check(value); err != nil {
		return &ValueError{key, err.Error()}
	}
	return nil
}

func (d *Dump) versionFault() []error {
	switch v, ok := d.Value(versionKey); {
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
	for _, r := range d.rows {
		if isStatusKey(r.key) && Status(r.value).State() == StatePendingDrop {
			names = append(names, r.key)
		}
	}
	return names
}
