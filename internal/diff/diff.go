// Package diff compares catalogues as keys and values: in etcd, in MySQL and in dumps, as they are written or as they
// are read.
package diff

import "iter"

// Pair is a key with its value.
type Pair struct{ Key, Value string }

// Difference is one key in which two catalogues differ. Its JSON form is a contract of css-sync.
type Difference struct {
	Kind string  `json:"kind"` // missing: b lacks it; extra: only b has it; different
	Key  string  `json:"key"`
	A    *string `json:"a"` // null: a has no such key
	B    *string `json:"b"`
}

// Collect takes about n pairs from a sequence.
func Collect(seq iter.Seq2[string, string], n int) []Pair {
	all := make([]Pair, 0, n)
	for key, value := range seq {
		all = append(all, Pair{key, value})
	}
	return all
}

// Compare returns the keys in which two catalogues differ. Both are in byte order of their keys, and so is the result,
// which is never nil.
func Compare(a, b []Pair) []Difference {
	all := []Difference{}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Key < b[0].Key:
			all = append(all, Difference{"missing", a[0].Key, &a[0].Value, nil})
			a = a[1:]
		case len(a) == 0 || b[0].Key < a[0].Key:
			all = append(all, Difference{"extra", b[0].Key, nil, &b[0].Value})
			b = b[1:]
		default:
			if a[0].Value != b[0].Value {
				all = append(all, Difference{"different", a[0].Key, &a[0].Value, &b[0].Value})
			}
			a, b = a[1:], b[1:]
		}
	}
	return all
}
