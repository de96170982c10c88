package csstest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
)

// orphans names the keys that are there and whose owners are not, and what cannot be read.
func (h Harness) orphans(t *testing.T, c *cssetcd.Client) []string {
	t.Helper()
	s := latest(t, c)
	require.NoError(t, s.Version())
	names, faults := nameKeys(s)
	faults = append(faults, unreadable(s)...)
	if h.Stored != nil {
		faults = append(faults, strayPaths(h.Stored(t, c), names)...)
	}
	return faults
}

// nameKeys returns the keys of databases, tables and nodes, and names every key that has no parent.
func nameKeys(s *cssetcd.Snapshot) (names map[string]bool, faults []string) {
	names = map[string]bool{}
	for key := range s.Below("") {
		if parent := key[:strings.LastIndexByte(key, '/')]; parent != "" {
			if _, there := s.Key(parent); !there {
				faults = append(faults, key+" has no parent")
			}
		}
		if csskey.Parse(key).IsName() {
			names[key] = true
		}
	}
	return names, faults
}

// strayPaths names what is kept beside the catalogue for something that is not in it, and spellings that are not kept.
func strayPaths(stored map[string]string, names map[string]bool) (faults []string) {
	for path, value := range stored {
		switch root, rest, _ := strings.Cut(path, "/"); root {
		case "css", "history", "commit", "fence":
		case "last":
			if rest != "PARTITIONING" || stored["css/PARTITIONING/_"+value] != "" {
				faults = append(faults, fmt.Sprintf("%s is %q, of which there is no partitioning", path, value))
			}
		case "css_empty":
			if !names["/DBS/"+rest] {
				faults = append(faults, path+" is of no database")
			}
		case "ref":
			if !names["/NODES/"+rest] {
				faults = append(faults, path+" is of no node")
			}
		case "fold":
			if !names[value] || path != "fold"+strings.ToLower(value) {
				faults = append(faults, fmt.Sprintf("%s holds the spelling %s, which is not there", path, value))
			}
		default:
			faults = append(faults, "nobody knows what this is: "+path)
		}
	}
	for name := range names {
		if stored["fold"+strings.ToLower(name)] != name {
			faults = append(faults, "the spelling of "+name+" is not kept")
		}
	}
	return faults
}

// unreadable names what cannot be decoded, and every replica on a node that is not there.
func unreadable(s *cssetcd.Snapshot) (faults []string) {
	failed := func(err error) bool {
		if err != nil {
			faults = append(faults, err.Error())
		}
		return err != nil
	}
	for _, err := range s.Nodes() {
		failed(err)
	}
	for db, err := range s.Databases() {
		if failed(err) {
			continue
		}
		for table, err := range s.Tables(db.Name) {
			if failed(err) {
				continue
			}
			for chunk, err := range s.Chunks(table.Name) {
				if !failed(err) && len(chunk.Nodes) == 0 {
					faults = append(faults, fmt.Sprintf("chunk %d of %s has no replica", chunk.ID, table.Name))
				}
				for _, node := range chunk.Nodes {
					_, err := s.Node(node)
					failed(err)
				}
			}
		}
	}
	return faults
}

// checkNames creates every name of a group that is free, which must succeed, and each that is not, which must not.
func checkNames(t *testing.T, c *cssetcd.Client, group int) {
	t.Helper()
	now, err := stateOf(latest(t, c), group)
	require.NoError(t, err)
	u := universeOf(group)
	number := 1 << 30
	try := func(o op) {
		number += 3
		o.group, o.number = group, number
		want := now.clone()
		_, wanted := want.apply(o, answer{})
		got := o.carryOut(t.Context(), c)
		assert.Equal(t, kinds(wanted), got.err, "%v: there is %v", o, now)
		now = want
	}
	for _, node := range u.nodes {
		try(op{verb: addNode, node: node})
	}
	for _, db := range u.dbs {
		try(op{verb: createDB, db: db})
		for _, table := range u.tables {
			n := cssetcd.TableName{DB: db, Table: table}
			try(op{verb: createTable, table: n})
			try(op{verb: addChunk, table: n, nodes: u.nodes[:1]})
		}
		try(op{verb: dropDB, db: db})
	}
	for _, node := range u.nodes {
		try(op{verb: deleteNode, node: node})
	}
}
