package main

import (
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
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

// sights returns which databases, tables and nodes an update created, changed and removed. It judges by their keys
// alone, so that one that cannot be decoded is told of, too.
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

// thingOf returns the database, table or node that a key is a part of, and the key whose presence makes it one. Root is
// "" for keys of chunks and for those that only hold others.
func thingOf(key string) (what, name, root string) {
	switch k := csskey.Parse(key); {
	case k.Kind == csskey.Node:
		return "node", k.Name, k.Object.Key()
	case k.Kind == csskey.Database && !k.InTables():
		return "database", k.DB, k.Object.Key()
	case k.Kind == csskey.Table && !k.InChunks():
		return "table", k.DB + "." + k.Name, k.Object.Key()
	}
	return "", "", ""
}
