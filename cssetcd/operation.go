package cssetcd

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/go-multierror"
	"github.com/qserv/css-etcd/internal/kv"
)

// An operation stands in the file of its noun: database.go, table.go, node.go, chunk.go. It consists of a function that
// returns it as a value, and of a method each on Client and [Batch] that hands it on. Suppose tables got a comment:
//
//	func setTableComment(n TableName, comment string, opts []WriteOption) operation {
//		set := operation{name: "set comment of table", object: n.String()}
//		if err := checkValue(n.commentKey(), comment); err != nil {
//			return set.withError(err)
//		}
//		return set.editing(n, keys(n.commentKey()), opts, func(e *edit) error {
//			e.set(n.commentKey(), comment)
//			return nil
//		})
//	}
//
//	func (c *Client) SetTableComment(ctx context.Context, n TableName, comment string, opts ...WriteOption) (Revision, error) {
//		return c.do(ctx, setTableComment(n, comment, opts))
//	}
//
// Behind editing there is a plan: a pure function from a snapshot of the keys that the operation declared it reads to
// the change that follows. It may be called several times and must not do anything else. Looking at a key that was not
// declared panics.
//
// Every key that was declared on its own, and every key that is put, is guarded without the plan's doing: nobody has
// changed it in between. A range, such as all below a key, is not guarded; what is concluded from one needs a guard by
// hand, as nothingBelow adds it. The edit adds missing ancestors, which have to be declared, too (ancestorSpans), and
// what must be kept beside the key.
//
// A field that is a member of a packed key is declared with recordSpans and written with setMembers, as
// [Client.SetSharedScan] does. What is not about one table declares its own reads and plan, as [Client.AddNode] does;
// setting and dropping do for a status and a removal what editing does for tables. What may be the first thing in an
// empty etcd says first.
//
// A new key gets its name in key.go, is written in encode.go and read in decode.go. It goes into docs/FORMAT.md, and
// into the tests that hold the bytes (golden_test.go).

// operation is one write on the catalogue, as a value: a Client runs it, a Batch joins several.
type operation struct {
	name, object string // for errors: "create table", "LSST.Object"
	first        bool   // may be the first thing in the catalogue
	op           kv.Op
	err          error // what is wrong with the arguments; the operation is then not tried
}

func (o operation) fail(err error) error { return &Error{Op: o.name, Object: o.object, Err: err} }

// withError notes what is wrong with the arguments, if anything; the first fault stays.
func (o operation) withError(err error) operation {
	if o.err == nil {
		o.err = err
	}
	return o
}

// as completes an operation with what it reads and its plan.
func (o operation) as(op kv.Op) operation {
	o.op = op
	return o
}

// errUnchanged ends a plan that finds nothing to do: the operation succeeds with revision 0.
var errUnchanged = kv.ErrNothing

// do runs one operation. When it may be the first thing in the catalogue, an empty etcd is made a CSS before it.
func (c *Client) do(ctx context.Context, o operation) (Revision, error) {
	rev, err := c.try(ctx, o)
	if errors.Is(err, ErrVersionMissing) && o.first {
		if err = c.apart(ctx); err == nil {
			err = c.initialise(ctx)
		}
		if err == nil {
			rev, err = c.try(ctx, o)
		}
	}
	switch {
	case errors.Is(err, errUnchanged):
		return 0, nil
	case err != nil:
		return 0, o.fail(err)
	}
	return rev, nil
}

// try runs an operation once. The version is checked in the transaction itself, so that no client goes on writing after
// it was raised.
func (c *Client) try(ctx context.Context, o operation) (Revision, error) {
	if c.readOnly {
		return 0, ErrReadOnly
	}
	if o.err != nil {
		return 0, o.err
	}
	return kv.RunOnce(ctx, c.store, versioned(o.name+" "+o.object, o.op))
}

func versioned(name string, op kv.Op) kv.Op {
	return kv.Op{
		Name:  name,
		Reads: spans(op.Reads, keys(versionKey)),
		Scans: op.Scans,
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if err := checkVersion(have); err != nil {
				return kv.Change{}, err
			}
			return op.Plan(have)
		},
	}
}

// Batch is several operations that happen as one: all at one revision, or none. Each sees what the ones before it do.
// The zero Batch is empty and ready for use; its methods take what those of Client take.
type Batch struct{ operations []operation }

func (b *Batch) add(o operation) { b.operations = append(b.operations, o) }

// CreateDatabase adds what [Client.CreateDatabase] does.
func (b *Batch) CreateDatabase(db Database, opts ...WriteOption) { b.add(createDatabase(db, opts)) }

// CreateDatabaseLike adds what [Client.CreateDatabaseLike] does.
func (b *Batch) CreateDatabaseLike(name, like string, opts ...WriteOption) {
	b.add(createDatabaseLike(name, like, opts))
}

// SetDatabaseStatus adds what [Client.SetDatabaseStatus] does.
func (b *Batch) SetDatabaseStatus(name string, s Status, opts ...WriteOption) {
	b.add(setDatabaseStatus(name, s, opts))
}

// DropDatabase adds what [Client.DropDatabase] does.
func (b *Batch) DropDatabase(name string, opts ...WriteOption) { b.add(dropDatabase(name, opts)) }

// CreateTable adds what [Client.CreateTable] does.
func (b *Batch) CreateTable(t Table, opts ...WriteOption) { b.add(createTable(t, opts)) }

// SetTableStatus adds what [Client.SetTableStatus] does.
func (b *Batch) SetTableStatus(n TableName, s Status, opts ...WriteOption) {
	b.add(setTableStatus(n, s, opts))
}

// SetTableSchema adds what [Client.SetTableSchema] does.
func (b *Batch) SetTableSchema(n TableName, schema string, opts ...WriteOption) {
	b.add(setTableSchema(n, schema, opts))
}

// SetSharedScan adds what [Client.SetSharedScan] does.
func (b *Batch) SetSharedScan(n TableName, s SharedScan, opts ...WriteOption) {
	b.add(setSharedScan(n, s, opts))
}

// DropTable adds what [Client.DropTable] does.
func (b *Batch) DropTable(n TableName, opts ...WriteOption) { b.add(dropTable(n, opts)) }

// AddNode adds what [Client.AddNode] does.
func (b *Batch) AddNode(n Node) { b.add(addNode(n)) }

// SetNodeState adds what [Client.SetNodeState] does.
func (b *Batch) SetNodeState(name string, s NodeState, opts ...WriteOption) {
	b.add(setNodeState(name, s, opts))
}

// DeleteNode adds what [Client.DeleteNode] does.
func (b *Batch) DeleteNode(name string, opts ...WriteOption) { b.add(deleteNode(name, opts)) }

// AddChunk adds what [Client.AddChunk] does.
func (b *Batch) AddChunk(n TableName, id int, nodes ...string) { b.add(addChunk(n, id, nodes)) }

// SetEmptyChunks adds what [Client.SetEmptyChunks] does.
func (b *Batch) SetEmptyChunks(db string, all ChunkSet, opts ...WriteOption) {
	b.add(setEmptyChunks(db, all, opts))
}

// AddEmptyChunks adds what [Client.AddEmptyChunks] does.
func (b *Batch) AddEmptyChunks(db string, more ChunkSet, opts ...WriteOption) {
	b.add(addEmptyChunks(db, more, opts))
}

// RemoveEmptyChunks adds what [Client.RemoveEmptyChunks] does.
func (b *Batch) RemoveEmptyChunks(db string, fewer ChunkSet, opts ...WriteOption) {
	b.add(removeEmptyChunks(db, fewer, opts))
}

// ForgetEmptyChunks adds what [Client.ForgetEmptyChunks] does.
func (b *Batch) ForgetEmptyChunks(db string, opts ...WriteOption) { b.add(forgetEmptyChunks(db, opts)) }

// DeleteChunk adds what [Client.DeleteChunk] does.
func (b *Batch) DeleteChunk(n TableName, id int) { b.add(deleteChunk(n, id)) }

// Commit carries out a batch in one transaction. Faults in the arguments of any of its operations are reported
// together; the first operation that fails ends the batch with nothing written. It returns ErrTooLarge, before anything
// is written, when etcd cannot hold the batch in one transaction, and revision 0 when there was nothing to do.
func (c *Client) Commit(ctx context.Context, b *Batch) (Revision, error) {
	var faults *multierror.Error
	var ops []kv.Op
	if b == nil {
		return c.do(ctx, operation{name: "commit"}.withError(fmt.Errorf("%w: the batch is nil", ErrInvalid)))
	}
	all := operation{name: "commit", object: fmt.Sprintf("a batch of %d", len(b.operations))}
	for _, o := range b.operations {
		if o.err != nil {
			faults = multierror.Append(faults, o.fail(o.err))
		}
		all.first = all.first || o.first
		ops = append(ops, inBatch(o))
	}
	if faults != nil {
		faults.ErrorFormat = formatFaults
	}
	all.op, all.err = kv.All(all.name, ops...), faults.ErrorOrNil()
	plan := all.op.Plan
	all.op.Plan = func(have *kv.Snapshot) (kv.Change, error) {
		change, err := plan(have)
		if err == nil && !change.Writes() {
			err = errUnchanged
		}
		return change, err
	}
	return c.do(ctx, all)
}

// inBatch gives a plan's errors the name of its operation, and lets one that has nothing to do pass.
func inBatch(o operation) kv.Op {
	return kv.Op{Name: o.name + " " + o.object, Reads: o.op.Reads, Scans: o.op.Scans,
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			change, err := o.op.Plan(have)
			switch {
			case errors.Is(err, errUnchanged):
				return kv.Change{}, nil
			case err != nil:
				return kv.Change{}, o.fail(err)
			}
			return change, nil
		}}
}
