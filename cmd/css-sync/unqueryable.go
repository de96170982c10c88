package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

// unqueryableView is the JSON form of a table that no czar can query, or whose name is such as workers give to chunks
// of another.
type unqueryableView struct {
	Table  string `json:"table"`
	Reason string `json:"reason"`
}

func unqueryable(keys iter.Seq2[string, string]) []unqueryableView {
	var all []unqueryableView
	for name, err := range cssetcd.Unqueryable(keys) {
		all = append(all, unqueryableView{name.String(), err.Error()})
	}
	return all
}

// values yields the keys and values of a catalogue.
func values(s *cssetcd.Snapshot) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for key, e := range s.Below("") {
			if !yield(key, e.Value) {
				return
			}
		}
	}
}

// writeUnqueryable names such tables of both sides.
func (v diffView) writeUnqueryable(w io.Writer) {
	for _, u := range v.A.Unqueryable {
		where := v.A.Source
		if slices.Contains(v.B.Unqueryable, u) {
			where = "both"
		}
		fmt.Fprintf(w, "in %s: %s: %s\n", where, u.Table, u.Reason)
	}
	for _, u := range v.B.Unqueryable {
		if !slices.Contains(v.A.Unqueryable, u) {
			fmt.Fprintf(w, "in %s: %s: %s\n", v.B.Source, u.Table, u.Reason)
		}
	}
}

// whyUnqueryable returns what makes a table one that no czar can query; any other error is passed on.
func whyUnqueryable(err error) (string, error) {
	if !errors.Is(err, cssetcd.ErrUnqueryable) {
		return "", err
	}
	_, reason := unreadable(err)
	return strings.TrimPrefix(reason, cssetcd.ErrUnqueryable.Error()+": "), nil
}
