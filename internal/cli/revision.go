package cli

import (
	"errors"
	"strconv"

	"github.com/qserv/css-etcd/cssetcd"
)

// RevisionFlag is the value of a flag that takes a revision of etcd. It refuses what can be none while flags are read,
// before anything is asked of a server: etcd would take a negative one for the newest.
type RevisionFlag cssetcd.Revision

// Set takes what stands on the command line.
func (r *RevisionFlag) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return errors.New("a revision is a number from 0 on")
	}
	*r = RevisionFlag(n)
	return nil
}

func (r *RevisionFlag) String() string { return strconv.FormatInt(int64(*r), 10) }

// Type is the word for the value in help.
func (r *RevisionFlag) Type() string { return "revision" }
