package report

import (
	"io"
	"strconv"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/emptychunks"
)

// EmptyDifference is the form of a database of whose empty chunks MySQL and etcd do not say the same. Sets are as
// people write them: "0-311,313".
type EmptyDifference struct {
	Database  string `json:"database"`
	InMySQL   *int   `json:"in_mysql"` // how many chunks; null: there is no table
	InEtcd    *int   `json:"in_etcd"`  // null: it is not known
	OnlyMySQL string `json:"only_mysql"`
	OnlyEtcd  string `json:"only_etcd"`
	Action    string `json:"action"`          // of a mirror: write, remove, take or forget
	Error     string `json:"error,omitempty"` // why nothing can be done about it
}

func emptyDifferences(all []mirror.EmptyDifference) []EmptyDifference {
	out := []EmptyDifference{} // and not null in JSON
	for _, d := range all {
		v := EmptyDifference{Database: text(d.DB), InMySQL: sizeOf(d.MySQL), InEtcd: sizeOf(d.Etcd),
			OnlyMySQL: d.MySQL.Set.Difference(d.Etcd.Set).String(), OnlyEtcd: d.Etcd.Set.Difference(d.MySQL.Set).String(),
			Action: d.Action.String()}
		if d.Err != nil {
			v.Action, v.Error = emptychunks.Nothing.String(), d.Err.Error()
		}
		out = append(out, v)
	}
	return out
}

func sizeOf(s emptychunks.Side) *int {
	if !s.Known {
		return nil
	}
	n := s.Set.Len()
	return &n
}

// actions say who follows whom.
var actions = map[string]string{"write": "MySQL follows", "remove": "the table goes", "take": "etcd follows",
	"forget": "etcd forgets"}

// writeEmpty writes them for people to read.
func writeEmpty(w io.Writer, all []EmptyDifference) {
	t := cli.Table{Header: []string{"EMPTY CHUNKS OF", "IN MYSQL", "IN ETCD", "ONLY IN MYSQL", "ONLY IN ETCD",
		"WHAT FOLLOWS"}}
	for _, d := range all {
		follows := actions[d.Action]
		if d.Error != "" {
			follows = d.Error
		}
		t.Rows = append(t.Rows, []string{d.Database, count(d.InMySQL), count(d.InEtcd), cli.Shorten(d.OnlyMySQL),
			cli.Shorten(d.OnlyEtcd), follows})
	}
	t.Write(w)
}

func count(n *int) string {
	if n == nil {
		return "-"
	}
	return strconv.Itoa(*n)
}
