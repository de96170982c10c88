package main

import (
	"errors"
	"fmt"
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
