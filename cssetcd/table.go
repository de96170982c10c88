package cssetcd

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// Table reads all of a table but its chunks, from one read. It returns ErrNoSuchTable, together with ErrNoSuchDB when
// the database is missing.
func (c *Client) Table(ctx context.Context, name TableName) (*Table, error) {
	return read(ctx, c, "read table", name.String(), tableSpans(name), func(have *kv.Snapshot) (*Table, error) {
		return decodeTable(have, name)
	})
}

// CreateTable creates a table, whole: a plain one, a director, a child or a match table, as its fields say. The zero
// Status stands for READY, and a director of a match table that is of the table's own database is stored without the
// database. It returns ErrNoSuchDB, never creating a database by the way, ErrTableExists, also for a name that differs
// from another in case only, ErrInvalidName where workers would keep a chunk of one table under the name of another,
// and ErrUnqueryable for a table that no czar can query. Takes IfNotExists and AllowUnqueryable.
func (c *Client) CreateTable(ctx context.Context, t Table, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, createTable(t, opts))
}

func createTable(t Table, opts []WriteOption) operation {
	create := operation{name: "create table", object: t.Name.String()}
	o, err := writeOptionsOf(opts, "IfNotExists", "AllowUnqueryable")
	if err != nil {
		return create.withError(err)
	}
	t = asStored(t)
	if err := checkTable(&t); err != nil {
		return create.withError(err)
	}
	n, key := t.Name, t.Name.key()
	reads := spans(keys(key), ancestorSpans(key), []kv.Span{
		kv.Below(cssPath(key)), kv.Key(foldPath(key)), kv.Key(dropDBPath(n.DB)), kv.Key(dropTablePath(n)),
	}, chunkNameReads(&t))
	if !o.unqueryable {
		reads = spans(reads, neighbourReads(t.relation()))
	}
	return create.as(kv.Op{Reads: reads, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		if err := checkNewTable(have, n, o); err != nil {
			return kv.Change{}, err
		}
		guards, err := checkChunkNames(have, &t)
		if err == nil && !o.unqueryable {
			err = checkQueryable(have, &t)
		}
		if err != nil {
			return kv.Change{}, err
		}
		e := newEdit(have)
		e.change.Guards = guards
		e.setRows(encodeTable(&t))
		e.name(key)
		err = e.nothingBelow(key)
		return e.change, err
	}})
}

// asStored returns a table as it is written: with its status, and the directors of its own database named as upstream
// looks for them.
func asStored(t Table) Table {
	if t.Status == "" {
		t.Status = StatusReady
	}
	if t.Match != nil {
		m, own := *t.Match, t.Name.DB+"."
		m.DirTable1, m.DirTable2 = strings.TrimPrefix(m.DirTable1, own), strings.TrimPrefix(m.DirTable2, own)
		t.Match = &m
	}
	return t
}

// checkNewTable fails unless the database is there and the name is free.
func checkNewTable(have *kv.Snapshot, n TableName, o writeOptions) error {
	if !have.At(cssPath(dbKey(n.DB))).Exists() {
		return fmt.Errorf("%w %s", ErrNoSuchDB, n.DB)
	}
	switch exists := have.At(cssPath(n.key())).Exists(); {
	case have.At(dropDBPath(n.DB)).Exists():
		return fmt.Errorf("%w: it is that of the database %s", ErrDropPending, n.DB)
	case have.At(dropTablePath(n)).Exists(): // one that is marked will go: to say that it exists would be no help
		return ErrDropPending
	case exists && o.ifNotExists:
		return errUnchanged
	case exists:
		return ErrTableExists
	}
	return checkSpelling(have, n.key(), ErrTableExists)
}

func checkTable(t *Table) error {
	if err := t.Name.check(); err != nil {
		return err
	}
	if t.SharedScan != nil && t.Partitioning == nil && t.Match == nil {
		return fmt.Errorf("%w: shared scan parameters on a table that is not partitioned: shared scans read chunks",
			ErrInvalid)
	}
	if err := checkSharedScan(t.SharedScan); err != nil {
		return err
	}
	if p := t.Partitioning; p != nil {
		if t.Match == nil && (p.DirDB == "" || p.DirTable == "" || p.DirColumn == "") {
			return fmt.Errorf("%w: partitioning: the director's database, table and column are needed", ErrInvalid)
		}
		if err := checkFinite("overlap", p.Overlap); err != nil {
			return err
		}
	}
	if m := t.Match; m != nil {
		if m.DirTable1 == "" || m.DirColumn1 == "" || m.DirTable2 == "" || m.DirColumn2 == "" {
			return fmt.Errorf("%w: match: both directors' tables and columns are needed", ErrInvalid)
		}
		if err := checkFinite("angular separation", m.AngSep); err != nil {
			return err
		}
	}
	if err := checkSchema(t); err != nil {
		return err
	}
	return checkRows(encodeTable(t))
}

func checkSharedScan(s *SharedScan) error {
	if s == nil {
		return nil
	}
	return checkInt32("scan rating", s.Rating, 0)
}

// SetTableStatus writes the status of a table. It returns ErrNoSuchTable. Takes IfStatus and IfRevision.
func (c *Client) SetTableStatus(ctx context.Context, n TableName, s Status, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, setTableStatus(n, s, opts))
}

func setTableStatus(n TableName, s Status, opts []WriteOption) operation {
	return operation{name: "set status of table", object: n.String()}.withError(n.checkParts()).
		setting(tableThing(n), string(s), opts, missingTable(n), keys(dbKey(n.DB))...)
}

func missingTable(n TableName) func(*kv.Snapshot) error {
	return func(have *kv.Snapshot) error { return noTable(have, n) }
}

// SetTableSchema writes the schema of a table. It returns ErrNoSuchTable, and ErrDuplicateColumn for one that MySQL
// would refuse. Takes IfStatus and IfRevision.
func (c *Client) SetTableSchema(ctx context.Context, n TableName, schema string, opts ...WriteOption) (Revision,
	error) {
	return c.do(ctx, setTableSchema(n, schema, opts))
}

func setTableSchema(n TableName, schema string, opts []WriteOption) operation {
	set := operation{name: "set schema of table", object: n.String()}
	if err := checkValue(n.schemaKey(), schema); err != nil {
		return set.withError(err)
	}
	if err := checkSchema(&Table{Name: n, Schema: schema}); err != nil {
		return set.withError(err)
	}
	return set.editing(n, keys(n.schemaKey()), opts, func(e *edit) error {
		e.set(n.schemaKey(), schema)
		return nil
	})
}

// SetSharedScan writes how a table takes part in shared scans: both values, whatever they are. It returns
// ErrNoSuchTable. Takes IfStatus and IfRevision.
func (c *Client) SetSharedScan(ctx context.Context, n TableName, s SharedScan, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, setSharedScan(n, s, opts))
}

func setSharedScan(n TableName, s SharedScan, opts []WriteOption) operation {
	set := operation{name: "set shared scan of table", object: n.String()}
	if err := checkSharedScan(&s); err != nil {
		return set.withError(err)
	}
	return set.editing(n, recordSpans(n.sharedScanKey(), sharedScanFields), opts, func(e *edit) error {
		return e.setMembers(n.sharedScanKey(), map[string]string{
			"lockInMem": formatBool(s.LockInMem), "scanRating": strconv.Itoa(s.Rating),
		})
	})
}

// editing makes an edit of a table that must exist.
func (o operation) editing(n TableName, reads []kv.Span, opts []WriteOption, do func(*edit) error) operation {
	o = o.withError(n.checkParts())
	when, err := writeOptionsOf(opts, "IfStatus", "IfRevision")
	if err != nil {
		return o.withError(err)
	}
	return o.as(kv.Op{
		Reads: spans(when.reads(tableThing(n)), ancestorSpans(n.key()), reads),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if !have.At(cssPath(n.key())).Exists() {
				return kv.Change{}, noTable(have, n)
			}
			if err := when.permits(have, tableThing(n)); err != nil {
				return kv.Change{}, err
			}
			e := newEdit(have)
			e.change.Guards = when.guards(tableThing(n))
			err := do(e)
			return e.change, err
		},
	})
}

// DropTable removes a table with its chunks at once, whatever queries are running. It refuses with ErrCzarsRegistered
// while czars are registered. It returns ErrNoSuchTable. Takes IfExists, IfStatus, IfRevision and Unsafe.
func (c *Client) DropTable(ctx context.Context, n TableName, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, dropTable(n, opts))
}

func dropTable(n TableName, opts []WriteOption) operation {
	return operation{name: "drop table", object: n.String()}.withError(n.checkParts()).
		dropping(tableThing(n), opts, missingTable(n), keys(dbKey(n.DB))...)
}
