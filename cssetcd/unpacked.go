package cssetcd

import (
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/packed"
)

// Unpacked returns the keys below root, "" for all, as a reader of fields sees them: a packed key is replaced by its
// members, each a key beside it, where a plain key wins. A member whose name cannot be the last part of a key stands
// for nothing. Packed keys that cannot be read stay as they are and are reported together, each as a ValueError.
func (s *Snapshot) Unpacked(root string) (map[string]string, error) {
	out := map[string]string{}
	var faults *multierror.Error
	for key, e := range s.Below(root) {
		parent, isPacked := csskey.CutPacked(key)
		if !isPacked {
			out[key] = e.Value
			continue
		}
		p, err := packed.Parse(e.Value)
		if err != nil {
			out[key] = e.Value
			faults = multierror.Append(faults, &ValueError{key, err.Error()})
			continue
		}
		for name, value := range p.Members {
			if member := parent + "/" + name; csskey.IsLastPart(name) && !s.has(member) {
				out[member] = value
			}
		}
	}
	return out, faults.ErrorOrNil()
}

// UnpackedKey returns what a key holds as a reader of fields sees it: the plain key, or the member of the packed key
// beside it. It returns ErrNoSuchKey, or a ValueError when the packed key cannot be read.
func (s *Snapshot) UnpackedKey(key string) (string, error) {
	if err := checkAnyKey(key); err != nil {
		return "", objectError("get", key, err)
	}
	if e, ok := s.Key(key); ok {
		return e.Value, nil
	}
	name := key[strings.LastIndexByte(key, '/')+1:]
	r := readRecord(s.kv, parentKey(key))
	value, ok := r.packed[name]
	switch {
	case r.err != nil && csskey.IsLastPart(name):
		return "", objectError("get", key, r.err)
	case !ok || !csskey.IsLastPart(name):
		return "", objectError("get", key, ErrNoSuchKey)
	}
	return value, nil
}

func (s *Snapshot) has(key string) bool {
	_, ok := s.Key(key)
	return ok
}
