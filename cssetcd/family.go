package cssetcd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/hashicorp/go-multierror"
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

// TablesLike returns the tables of a database as they would be in another one: their director and match tables that lie
// in the first database are those of the second. Tables that are not READY are left out: one that is being made or
// dropped, or that nobody may use, would become usable in the other.
func (s *Snapshot) TablesLike(like, name string) ([]Table, error) {
	var tables []Table
	for t, err := range s.Tables(like) {
		if err != nil {
			return nil, err
		}
		if !t.Status.Ready() {
			continue
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

// PublishDatabase creates a database with any number of tables. It takes several transactions; the database is
// DO_NOT_USE until the last one makes it READY, so no reader sees a part of it. When like is not "", the database is
// created like that one and has its storage class and release status; Striping must then be nil. Running it again after
// an interruption continues it, and changes nothing when all is there. Faults in the arguments are reported together,
// before anything is written. It returns ErrDBExists when a database of that name is there and is another one, or is in
// use and lacks any of the tables, and ErrTableExists when one of them is there and differs. Takes AllowUnqueryable,
// for the tables.
func (c *Client) PublishDatabase(ctx context.Context, db Database, like string, tables []Table,
	opts ...WriteOption) (Revision, error) {
	publish := operation{name: "publish database", object: db.Name}
	if _, err := writeOptionsOf(opts, "AllowUnqueryable"); err != nil {
		return c.do(ctx, publish.withError(err))
	}
	create, creates, err := publication(db, like, tables, opts)
	if err != nil {
		return c.do(ctx, publish.withError(err))
	}
	if _, err := c.do(ctx, create); err != nil {
		return 0, err
	}
	if err := c.checkPublished(ctx, db, like); err != nil {
		return 0, publish.fail(err)
	}
	for part := range publishedTogether(creates) {
		if _, err := c.Commit(ctx, &Batch{part}); err != nil {
			return 0, err
		}
	}
	rev, err := c.SetDatabaseStatus(ctx, db.Name, StatusReady, IfStatus(StatusIgnore))
	if errors.Is(err, ErrStatusMismatch) { // everything was there before
		return 0, publishedStatus(c.Database(ctx, db.Name))
	}
	return rev, err
}

// publishedTogether cuts the creation of tables into what one transaction holds, which keeps it below etcd's limit on
// guards.
func publishedTogether(creates []operation) iter.Seq[[]operation] {
	const (
		maxGuards = 120 // guards; etcd takes 128 and some belong to no table
		ofTable   = 12  // guards of a table at most beside those of what it reads: of its keys and of ranges
	)
	return func(yield func([]operation) bool) {
		var part []operation
		cost, seen := 0, map[kv.Span]bool{}
		for _, o := range creates {
			more := ofTable
			for _, span := range o.op.Reads {
				if span.Single() && !seen[span] {
					more++
				}
			}
			if len(part) > 0 && cost+more > maxGuards {
				if !yield(part) {
					return
				}
				part, cost = nil, 0
				clear(seen)
			}
			part, cost = append(part, o), cost+more
			for _, span := range o.op.Reads {
				seen[span] = true
			}
		}
		if len(part) > 0 {
			yield(part)
		}
	}
}

// publication returns the operations that create a database and its tables where they are missing.
func publication(db Database, like string, tables []Table, opts []WriteOption) (create operation, creates []operation,
	err error) {
	var faults *multierror.Error
	db.Status = StatusIgnore
	if like == "" {
		create = createDatabase(db, []WriteOption{IfNotExists()})
	} else {
		create = createDatabaseLike(db.Name, like, []WriteOption{IfNotExists()}).heldBack(db.Name)
		if db.Striping != nil {
			faults = multierror.Append(faults, fmt.Errorf("%w: a database like %s has its striping", ErrInvalid, like))
		}
	}
	faults = multierror.Append(faults, create.err)
	tables = beforeTheirs(tables)
	unqueryable := unqueryableAmong(tables, db.Striping != nil || like != "", opts)
	for i, t := range tables {
		o := createTable(t, append([]WriteOption{IfNotExists()}, opts...)).orEqual(t).withError(unqueryable[i])
		if t.Name.DB != db.Name {
			o = o.withError(fmt.Errorf("%w: it is of another database", ErrInvalid))
		}
		if o.err != nil {
			faults = multierror.Append(faults, o.fail(o.err))
		}
		creates = append(creates, o)
	}
	faults.ErrorFormat = formatFaults
	return create, creates, faults.ErrorOrNil()
}

// checkPublished fails unless the database that is there is the one to be published.
func (c *Client) checkPublished(ctx context.Context, want Database, like string) error {
	have, err := c.Database(ctx, want.Name)
	if err != nil {
		return err
	}
	want = want.filledIn()
	if like != "" {
		model, err := c.Database(ctx, like)
		if err != nil {
			return err
		}
		want.StorageClass, want.ReleaseStatus, want.Striping = model.StorageClass, model.ReleaseStatus, model.Striping
	}
	switch {
	case have.StorageClass != want.StorageClass || have.ReleaseStatus != want.ReleaseStatus:
		return fmt.Errorf("%w: with another storage class or release status", ErrDBExists)
	case !sameStriping(have.Striping, want.Striping):
		return fmt.Errorf("%w: with another striping", ErrDBExists)
	}
	return publishedStatus(have, nil)
}

// publishedStatus fails for a database that is neither being published nor in use.
func publishedStatus(have *Database, err error) error {
	if err == nil && have.Status != StatusIgnore && !have.Status.Ready() {
		return fmt.Errorf("%w: with the status %q", ErrDBExists, have.Status)
	}
	return err
}

// sameStriping compares the ids only where both are known.
func sameStriping(a, b *Striping) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	if x.ID == "" || y.ID == "" {
		x.ID, y.ID = "", ""
	}
	return x == y
}

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

// orEqual lets the creation of a table pass when it is there and has the same rows; in a database that is in use it may
// not be missing.
func (o operation) orEqual(t Table) operation {
	if o.err != nil {
		return o
	}
	t = asStored(t)
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
