package main

import (
	"strings"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
)

// sight is what a czar tells of one change: a line of czar -w json.
type sight struct {
	Time     time.Time        `json:"time"`     // when it was visible, by the clock on the wall
	Revision cssetcd.Revision `json:"revision"` // of the snapshot that shows it
	What     string           `json:"what"`     // database, table or node
	Name     string           `json:"name"`
	Change   string           `json:"change"` // created, changed or removed
	Status   cssetcd.Status   `json:"status,omitempty"`
}

// sights returns which databases, tables and nodes an update created, changed and removed. It judges by their keys alone, so that
// one that cannot be decoded is told of, too.
func sights(u cssetcd.Update) []sight {
	var all []sight
	seen := map[string]bool{}
	for _, c := range u.Keys {
		what, name, root := thingOf(c.Key)
		if root == "" || seen[root] {
			continue
		}
		seen[root] = true
		old, had := u.From.Key(root)
		now, has := u.To.Key(root)
		tell := func(change string, status cssetcd.Status) {
			all = append(all, sight{What: what, Name: name, Change: change, Status: status})
		}
		again := had && has && old.Create != now.Create
		if had && !has || again {
			tell("removed", "")
		}
		switch {
		case has && !had || again:
			tell("created", cssetcd.Status(now.Value))
		case has:
			tell("changed", cssetcd.Status(now.Value))
		}
	}
	return all
}

// thingOf returns the database, table or node that a key is a part of, and the key whose presence makes it one. Root is "" for
// keys of chunks and for those that only hold others.
func thingOf(key string) (what, name, root string) {
	part := strings.Split(key, "/") // the first is empty
	if len(part) > 2 && noName(part[2]) || len(part) > 4 && noName(part[4]) && part[3] == "TABLES" {
		return "", "", ""
	}
	switch {
	case len(part) >= 3 && part[1] == "NODES":
		return "node", part[2], "/NODES/" + part[2]
	case len(part) < 3 || part[1] != "DBS":
		return "", "", ""
	case len(part) == 3 || part[3] != "TABLES":
		return "database", part[2], "/DBS/" + part[2]
	case len(part) == 4 || len(part) > 5 && part[5] == "CHUNKS":
		return "", "", ""
	}
	table := cssetcd.TableName{DB: part[2], Table: part[4]}
	return "table", table.String(), strings.Join(part[:5], "/")
}

// noName reports whether what stands where a name stands is none.
func noName(part string) bool { return part == "" || part == ".packed.json" }
