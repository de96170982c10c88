package kvdata

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/emptychunks"
)

// EmptyChange is one change of the table of a database, and of what is on record of it.
type EmptyChange struct {
	DB       string
	Found    emptychunks.Side // what the table said when it was decided
	Now      emptychunks.Side // what both sides say afterwards; its table is made so by Write and Remove
	Revision cssetcd.Revision // of etcd
	Lost     bool             // Found is what others wrote, and is undone
}

// SQL returns the statements that make the table say Now where it says Found. With very many ids they are long.
func (c EmptyChange) SQL() []string {
	switch {
	case !c.Now.Known:
		return []string{c.removal()}
	case !c.Found.Known:
		return []string{c.creation()}
	}
	return slices.Collect(c.statements())
}

func (c EmptyChange) removal() string { return "DROP TABLE IF EXISTS " + tableOfEmpty(c.DB) }

// creation makes the table with all its rows: nobody sees it without them.
func (c EmptyChange) creation() string {
	ids := joined(slices.Collect(c.Now.Set.All()), ",")
	return "CREATE TABLE " + tableOfEmpty(c.DB) + " (chunkId INT NOT NULL PRIMARY KEY) ENGINE=InnoDB " +
		"SELECT chunkId FROM JSON_TABLE('[" + ids + "]', '$[*]' COLUMNS (chunkId INT PATH '$')) AS ids"
}

// statements change the rows of a table that is there.
func (c EmptyChange) statements() iter.Seq[string] {
	return func(yield func(string) bool) {
		for s := range eachIDs("DELETE FROM "+tableOfEmpty(c.DB)+" WHERE chunkId IN (", ",",
			c.Found.Set.Difference(c.Now.Set)) {
			if !yield(s) {
				return
			}
		}
		for s := range eachIDs("INSERT INTO "+tableOfEmpty(c.DB)+" (chunkId) VALUES (", "),(",
			c.Now.Set.Difference(c.Found.Set)) {
			if !yield(s) {
				return
			}
		}
	}
}

const emptyRowsOfStatement = 10_000

// eachIDs yields statements for the ids of a set, each for many.
func eachIDs(before, between string, set chunkset.Set) iter.Seq[string] {
	return func(yield func(string) bool) {
		for ids := range slices.Chunk(slices.Collect(set.All()), emptyRowsOfStatement) {
			if !yield(before + joined(ids, between) + ")") {
				return
			}
		}
	}
}

func joined(ids []int, between string) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(id)
	}
	return strings.Join(texts, between)
}
