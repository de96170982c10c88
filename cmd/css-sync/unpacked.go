package main

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// unpackedFlag asks for the members of packed keys as keys.
func unpackedFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("unpacked", false,
		"show the members of packed keys, as keys beside them, in place of the packed keys")
}

// listed yields the keys below root, with unpacked the members of packed keys in their place. Packed keys that cannot
// be read are yielded as they are, and added to bad.
func listed(s *cssetcd.Snapshot, root string, unpacked bool, bad *unreadables) iter.Seq2[string, cssetcd.Entry] {
	if !unpacked {
		return s.Below(root)
	}
	values, err := s.Unpacked(root)
	bad.addPacked(err)
	return func(yield func(string, cssetcd.Entry) bool) {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if !yield(key, unpackedEntry(s, key, values[key])) {
				return
			}
		}
	}
}

// unpackedEntry returns a value with the revisions of the key that holds it: the plain one, or the packed one beside
// it.
func unpackedEntry(s *cssetcd.Snapshot, key, value string) cssetcd.Entry {
	e, ok := s.Key(key)
	if !ok {
		e, _ = s.Key(key[:strings.LastIndexByte(key, '/')] + "/.packed.json")
	}
	e.Value = value
	return e
}

// addPacked adds the packed keys that an error names.
func (u *unreadables) addPacked(err error) {
	var several *multierror.Error
	var value *cssetcd.ValueError
	switch {
	case errors.As(err, &several):
		for _, one := range several.Errors {
			u.addPacked(one)
		}
	case errors.As(err, &value):
		*u = append(*u, value.Key+": "+value.Reason)
	case err != nil:
		*u = append(*u, cli.Sentence(err))
	}
}

// getUnpacked returns what a key, or the member of the packed key beside it, holds.
func getUnpacked(s *cssetcd.Snapshot, key string) (cssetcd.Entry, error) {
	value, err := s.UnpackedKey(key)
	var bad unreadables
	switch {
	case errors.As(err, new(*cssetcd.ValueError)):
		bad.addPacked(err)
		return cssetcd.Entry{}, bad.err("packed key")
	case err != nil:
		return cssetcd.Entry{}, err
	}
	return unpackedEntry(s, key, value), nil
}
