package kv

import "go.etcd.io/etcd/api/v3/mvccpb"

// internFrom is the length, in bytes, from which equal values are kept once. Shorter ones, such as statuses, are not
// worth it.
const internFrom = 128

// interner keeps one copy of equal long values: hundreds of databases have tables of one schema. It counts the uses of
// each, so that a value goes with its last key. A nil interner shares nothing.
type interner map[string]*interned

type interned struct {
	value string
	uses  int
}

// newInterner returns one that knows the values of a snapshot.
func newInterner(s *Snapshot) interner {
	in := interner{}
	for _, span := range s.spans {
		for _, e := range s.Range(span) {
			if len(e.Value) >= internFrom {
				in.use(e.Value)
			}
		}
	}
	return in
}

// take returns the text of a value that comes into use.
func (in interner) take(value []byte) string {
	if in == nil || len(value) < internFrom {
		return string(value)
	}
	if known := in[string(value)]; known != nil {
		known.uses++
		return known.value
	}
	return in.use(string(value))
}

func (in interner) use(value string) string {
	if known := in[value]; known != nil {
		known.uses++
		return known.value
	}
	in[value] = &interned{value, 1}
	return value
}

// entryOf returns what etcd says of a key.
func entryOf(e *mvccpb.KeyValue) Entry {
	return Entry{Value: string(e.Value), Create: Revision(e.CreateRevision), Mod: Revision(e.ModRevision)}
}

// entry returns what etcd tells of a key, with its value taken into use.
func (in interner) entry(e *mvccpb.KeyValue) Entry {
	return Entry{Value: in.take(e.Value), Create: Revision(e.CreateRevision), Mod: Revision(e.ModRevision)}
}

// release is for a value that is no longer in use.
func (in interner) release(value string) {
	if len(value) < internFrom {
		return
	}
	if known := in[value]; known != nil {
		if known.uses--; known.uses == 0 {
			delete(in, value)
		}
	}
}
