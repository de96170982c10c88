package main

import (
	"errors"
	"strconv"

	"github.com/qserv/css-etcd/cssetcd"
)

// revisionFlag is the value of a flag that takes a revision of etcd. It refuses what can be none while flags are read,
// before anything is asked of a server: etcd would take a negative one for the newest.
type revisionFlag cssetcd.Revision

func (r *revisionFlag) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return errors.New("a revision is a number from 0 on")
	}
	*r = revisionFlag(n)
	return nil
}

func (r *revisionFlag) String() string { return strconv.FormatInt(int64(*r), 10) }

// Type is the word for the value in help.
func (r *revisionFlag) Type() string { return "revision" }
