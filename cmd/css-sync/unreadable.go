package main

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// unreadable splits the error of one thing in a listing into the name of the thing and what is wrong with it.
func unreadable(err error) (name, reason string) {
	var e *cssetcd.Error
	if errors.As(err, &e) {
		return e.Object, cli.Sentence(e.Err)
	}
	return "?", cli.Sentence(err)
}

// unreadables are the things in a listing that could not be read. The others are listed nevertheless.
type unreadables []string

func (u *unreadables) add(err error) (name, reason string) {
	name, reason = unreadable(err)
	*u = append(*u, name+": "+reason)
	return name, reason
}

// err makes a listing fail in which something could not be read.
func (u unreadables) err(what string) error {
	switch len(u) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("cannot read %s %s", what, u[0])
	}
	return fmt.Errorf("cannot read %d %ss:\n  %s", len(u), what, strings.Join(u, "\n  "))
}

// printList prints a listing: of each thing its JSON form and a row, of one that cannot be read the form that failed
// makes of its name and the reason.
func printList[T, V any](p *program, what string, header []string, all iter.Seq2[T, error], show func(T) (V, []string),
	failed func(name, reason string) V) error {
	views := []V{} // and not null in JSON
	t := cli.Table{Header: header}
	var bad unreadables
	for thing, err := range all {
		if err != nil {
			name, reason := bad.add(err)
			views, t.Rows = append(views, failed(name, reason)), append(t.Rows, []string{name, "unreadable"})
			continue
		}
		v, row := show(thing)
		views, t.Rows = append(views, v), append(t.Rows, row)
	}
	if err := p.Print(views, t.Write); err != nil {
		return err
	}
	return bad.err(what)
}
