package cssetcd

import (
	"iter"

	"github.com/qserv/css-etcd/internal/kv"
)

// Snapshot is the catalogue at one revision. It is immutable, reading it does no I/O, and any number of goroutines may share
// it. A czar takes one for each query, so that all that the query reads is of one moment.
type Snapshot struct{ kv *kv.Snapshot }

// Revision returns the revision that the snapshot shows.
func (s *Snapshot) Revision() Revision { return s.kv.Revision }

// Len returns the number of CSS keys.
func (s *Snapshot) Len() int { return s.kv.Len() }

// Key returns what a CSS key such as "/DBS/lsst" holds; ok is false when it is absent.
func (s *Snapshot) Key(key string) (e Entry, ok bool) {
	e = s.kv.At(cssPath(key))
	return e, e.Exists()
}

// Below yields the CSS keys below a key, that key not included, in byte order; Below("") yields all keys.
func (s *Snapshot) Below(key string) iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for p, e := range s.kv.Range(kv.Below(cssPath(key))) {
			if !yield(cssKey(p), e) {
				return
			}
		}
	}
}

// KeyChange is the net change of one CSS key between two snapshots. Old is zero when the key came into being, New when it went.
type KeyChange struct {
	Key      string
	Old, New Entry
}
