package kv

import (
	"context"
	"errors"
	"slices"
)

// ErrNothing is the error of a plan that finds nothing to do, which is no failure.
var ErrNothing = errors.New("nothing to do")

// ErrNoted ends an operation whose note is there: it was carried out before, and is not a second time.
var ErrNoted = errors.New("it was done before")

// Receipt is what [RunOnce] leaves with whoever asked for an operation. With a Path, the transaction of the operation
// puts a note there, and does nothing where one is: however often the operation is asked for, and by how many, it
// happens once. The revision at which the note came into being is that of the operation.
type Receipt struct {
	Path  Path
	Note  string // what the note says
	Lease int64  // that the note lives on
	// Revision is set by RunOnce: at which the operation took effect; 0: it had nothing to do
	Revision Revision
}

// nothingNoted is at the end of the note of an operation that had nothing to do.
const nothingNoted = " nothing"

// ReadNote returns what the note says at a path, and what became of its operation; ok is false when there is none.
func ReadNote(ctx context.Context, st Store, path Path) (note string, rev Revision, ok bool, err error) {
	have, err := st.Fetch(ctx, 0, Key(path))
	if err != nil {
		return "", 0, false, err
	}
	e := have.At(path)
	if !e.Exists() {
		return "", 0, false, nil
	}
	if n := len(e.Value) - len(nothingNoted); n >= 0 && e.Value[n:] == nothingNoted {
		return e.Value[:n], 0, true, nil
	}
	return e.Value, e.Create, true, nil
}

type receiptKey struct{}

// WithReceipt has the operations of ctx leave a receipt. With a Path it is for one operation; without one the last that
// did something counts.
func WithReceipt(ctx context.Context, r *Receipt) context.Context {
	return context.WithValue(ctx, receiptKey{}, r)
}

// ReceiptOf returns the receipt of ctx, nil where nobody wants one.
func ReceiptOf(ctx context.Context) *Receipt {
	r, _ := ctx.Value(receiptKey{}).(*Receipt)
	return r
}

// RunOnce is [Run] for an operation that somebody may want a receipt of. Without one in ctx it is the same.
func RunOnce(ctx context.Context, st Store, op Op) (Revision, error) {
	r := ReceiptOf(ctx)
	if r == nil {
		return Run(ctx, st, op)
	}
	var nothing, silent bool // what the plan that was committed found
	noted := op
	noted.Reads = slices.Clone(op.Reads)
	if r.Path != "" {
		noted.Reads = append(noted.Reads, Key(r.Path))
	}
	noted.Plan = func(have *Snapshot) (Change, error) {
		if r.Path != "" && have.At(r.Path).Exists() {
			return Change{}, ErrNoted
		}
		c, err := op.Plan(have)
		nothing = errors.Is(err, ErrNothing)
		if silent = nothing || err == nil && !c.Writes(); silent {
			c, err = Change{Guards: c.Guards}, nil
		}
		if err == nil && r.Path != "" {
			c.Puts = append(slices.Clone(c.Puts), r.put(silent))
		}
		return c, err
	}
	rev, err := Run(ctx, st, noted)
	switch {
	case err != nil:
		return 0, err
	case nothing:
		return 0, ErrNothing
	case !silent:
		r.Revision = rev
	}
	return rev, nil
}

// PutNote puts the note of what took several transactions, and has happened: each of them leaves out what is there, so
// that it may begin anew until its note is there. It returns ErrNoted when another has put one meanwhile.
func PutNote(ctx context.Context, st Store, r *Receipt) error {
	nothing := r.Revision == 0
	rev, err := Run(ctx, st, Op{Reads: []Span{Key(r.Path)}, Plan: func(have *Snapshot) (Change, error) {
		if have.At(r.Path).Exists() {
			return Change{}, ErrNoted
		}
		return Change{Puts: []Put{r.put(nothing)}}, nil
	}})
	if err == nil && !nothing {
		r.Revision = rev
	}
	return err
}

func (r *Receipt) put(nothing bool) Put {
	note := r.Note
	if nothing {
		note += nothingNoted
	}
	return Put{Path: r.Path, Value: note, Lease: r.Lease}
}
