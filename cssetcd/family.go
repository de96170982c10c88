package cssetcd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// Family is a set of databases whose tables have the same names and schemas.
type Family struct {
	Databases []string // in byte order
	Tables    []string // in byte order
}

// Families groups the databases by their tables' names and schemas, in the order of each family's first database.
func (s *Snapshot) Families() []Family {
	index := map[[sha256.Size]byte]int{}
	var families []Family
	for name := range children(s.kv, dbsKey) {
		if !s.has(dbKey(name)) {
			continue
		}
		hash, tables := sha256.New(), []string{}
		for table := range children(s.kv, tablesKey(name)) {
			n := TableName{name, table}
			if s.has(n.key()) {
				fmt.Fprintf(hash, "%q %q\n", table, readRecord(s.kv, n.key()).text("schema"))
				tables = append(tables, table)
			}
		}
		sum := [sha256.Size]byte(hash.Sum(nil))
		i, ok := index[sum]
		if !ok {
			i = len(families)
			index[sum] = i
			families = append(families, Family{Tables: tables})
		}
		families[i].Databases = append(families[i].Databases, name)
	}
	return families
}

// TablesLike returns the tables of a database as they would be in another one: their director and match tables that lie in the first
// database are those of the second. Statuses are READY.
func (s *Snapshot) TablesLike(like, name string) ([]Table, error) {
	var tables []Table
	for t, err := range s.Tables(like) {
		if err != nil {
			return nil, err
		}
		copied := Table{Name: TableName{name, t.Name.Table}, Status: StatusReady, Schema: t.Schema, SharedScan: t.SharedScan}
		if t.Partitioning != nil {
			p := *t.Partitioning
			if p.DirDB == like {
				p.DirDB = name
			}
			copied.Partitioning = &p
		}
		if t.Match != nil {
			m := *t.Match
			m.DirTable1, m.DirTable2 = moved(m.DirTable1, like, name), moved(m.DirTable2, like, name)
			copied.Match = &m
		}
		tables = append(tables, copied)
	}
	return tables, nil
}

// moved renames the database of "db.table".
func moved(table, from, to string) string {
	if rest, ok := strings.CutPrefix(table, from+"."); ok {
		return to + "." + rest
	}
	return table
}

// PublishDatabase creates a database with any number of tables. It takes several transactions; the database is DO_NOT_USE until the last
// one makes it READY, so no reader sees a part of it. When like is not "", the database is created in the family of that one and
// Striping must be nil. Running it again after an interruption continues it, and changes nothing when all is there. It returns ErrDBExists when a
// database of that name is in use and lacks any of the tables, and ErrTableExists when one of them is there and differs.
func (c *Client) PublishDatabase(ctx context.Context, db Database, like string, tables []Table) (Revision, error) {
	publish := operation{name: "publish database", object: db.Name}
	for _, t := range tables {
		if t.Name.DB != db.Name {
			return c.do(ctx, publish.invalid(fmt.Errorf("%w: table %s is of another database", ErrInvalid, t.Name)))
		}
	}
	if like != "" && db.Striping != nil {
		return c.do(ctx, publish.invalid(fmt.Errorf("%w: a database like %s has its striping", ErrInvalid, like)))
	}
	db.Status = StatusIgnore
	create := createDatabase(db, []WriteOption{IfNotExists()})
	if like != "" {
		create = createDatabaseLike(db.Name, like, []WriteOption{IfNotExists()}).heldBack(db.Name)
	}
	if _, err := c.do(ctx, create); err != nil {
		return 0, err
	}
	for part := range slices.Chunk(tables, publishedTogether) {
		if err := c.publishTables(ctx, db.Name, part); err != nil {
			return 0, err
		}
	}
	rev, err := c.SetDatabaseStatus(ctx, db.Name, StatusReady, IfStatus(StatusIgnore))
	if errors.Is(err, ErrStatusMismatch) {
		return 0, nil // everything was there before
	}
	return rev, err
}

// publishedTogether is how many tables one transaction creates, which keeps it below etcd's limit: each is at most nine keys and eleven guards.
const publishedTogether = 10

// heldBack makes the operation that creates a database leave it at DO_NOT_USE.
func (o operation) heldBack(db string) operation {
	if o.err != nil {
		return o
	}
	plan := o.op.Plan
	o.op.Plan = func(have *kv.Snapshot) (kv.Change, error) {
		change, err := plan(have)
		for i := range change.Puts {
			if change.Puts[i].Path == cssPath(dbKey(db)) {
				change.Puts[i].Value = string(StatusIgnore)
			}
		}
		return change, err
	}
	return o
}

// publishTables creates those tables that are missing in one transaction. One that is there must be equal.
func (c *Client) publishTables(ctx context.Context, db string, tables []Table) error {
	var b Batch
	for _, t := range tables {
		b.add(createTable(t, []WriteOption{IfNotExists()}).orEqual(t))
	}
	_, err := c.Commit(ctx, &b)
	return err
}

// orEqual lets the creation of a table pass when it is there and has the same rows; in a database that is in use it may not be missing.
func (o operation) orEqual(t Table) operation {
	if o.err != nil {
		return o
	}
	if t.Status == "" {
		t.Status = StatusReady
	}
	plan, rows := o.op.Plan, encodeTable(&t)
	o.op.Plan = func(have *kv.Snapshot) (kv.Change, error) {
		change, err := plan(have)
		switch {
		case errors.Is(err, errUnchanged):
			for _, r := range rows {
				if have.At(cssPath(r.key)).Value != r.value {
					return kv.Change{}, fmt.Errorf("%w: with another %s", ErrTableExists, r.key)
				}
			}
		case err == nil && have.At(cssPath(dbKey(t.Name.DB))).Value != string(StatusIgnore):
			return kv.Change{}, fmt.Errorf("%w: and table %s is not in it", ErrDBExists, t.Name)
		}
		return change, err
	}
	return o
}
