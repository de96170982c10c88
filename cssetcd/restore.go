package cssetcd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// RestoreOption changes what Restore does.
type RestoreOption func(*restoreOptions) error

type restoreOptions struct {
	overwrite, pendingDrops, dryRun, unsafe bool
	claim                                   kv.Path // "": none
	claimed                                 Revision
	progress                                func(done, total int)
}

// Overwrite removes what is in the target first, so that everything restored is a new incarnation. Before that it asks
// etcd whether it would take the largest transactions of the restore, and has the room: ErrTooLarge, ErrNoRoom or
// ErrUnauthorized leave the target as it was. It refuses with ErrCzarsRegistered while czars are registered, unless
// RestoreUnsafe is given too. When it is interrupted after it has removed what was there, run the restore again,
// without Overwrite or with it.
func Overwrite() RestoreOption {
	return func(o *restoreOptions) error { o.overwrite = true; return nil }
}

// WithPendingDrops restores statuses PENDING_DROP, each of which starts a drop. Without it they are refused.
func WithPendingDrops() RestoreOption {
	return func(o *restoreOptions) error { o.pendingDrops = true; return nil }
}

// DryRun makes Restore check everything and say what it would do, and write nothing.
func DryRun() RestoreOption { return func(o *restoreOptions) error { o.dryRun = true; return nil } }

// RestoreUnsafe lets Overwrite go ahead although czars are registered, whose queries may then fail.
func RestoreUnsafe() RestoreOption {
	return func(o *restoreOptions) error { o.unsafe = true; return nil }
}

// OnProgress is called after each transaction with the number of keys that are in place and the number there will be.
func OnProgress(f func(done, total int)) RestoreOption {
	return func(o *restoreOptions) error { o.progress = f; return nil }
}

// OnlyWhile makes each transaction of a restore depend on a key of etcd, named without the prefix, being as it was put
// at a revision. Whoever puts or deletes the key ends the restore, which then fails with ErrOvertaken: of two that
// restore by taking the key from each other, only the last one writes.
func OnlyWhile(path string, revision Revision) RestoreOption {
	return func(o *restoreOptions) error {
		if path == "" || revision <= 0 {
			return errors.New("OnlyWhile needs a key and the revision at which it was put")
		}
		o.claim, o.claimed = kv.Path(path), revision
		return nil
	}
}

// reads are what the restore looks at, its claim included, which each transaction then guards.
func (o restoreOptions) reads(reads []kv.Span) []kv.Span {
	if o.claim == "" {
		return reads
	}
	return append(slices.Clip(reads), kv.Key(o.claim))
}

func (o restoreOptions) holds(have *kv.Snapshot) error {
	if o.claim != "" && have.At(o.claim).Mod != o.claimed {
		return ErrOvertaken
	}
	return nil
}

// RestoreResult says what a restore did, or with DryRun would do.
type RestoreResult struct {
	Databases, Tables, Nodes int      // in the dump
	Keys                     int      // in the dump, missing ancestors included
	Present                  int      // of these, there already with the right value
	Removed                  int      // keys in the target that Overwrite removes
	Transactions             int      // needed for the rest
	Revision                 Revision // at which everything was there; of the look at the target with DryRun
}

// Restore writes a dump into an empty target, byte for byte. It is many transactions, and readers see tables whole:
// each is DO_NOT_USE until all of it is there, directors before the others, and the databases become usable last. A
// restore that was interrupted is continued by running it again: what is there must then be part of the dump. Any other
// target is refused with ErrNotEmpty, unless Overwrite is given.
func (c *Client) Restore(ctx context.Context, d *Dump, opts ...RestoreOption) (RestoreResult, error) {
	var o restoreOptions
	faults := apply(&o, opts)
	if d == nil {
		faults = multierror.Append(faults, errors.New("the dump is nil"))
	}
	if err := asInvalid(faults); err != nil {
		return RestoreResult{}, &Error{Op: "restore", Object: c.prefix, Err: err}
	}
	res, err := c.restore(ctx, d, o)
	if err != nil {
		return res, &Error{Op: "restore", Object: c.prefix, Err: err}
	}
	return res, nil
}

func (c *Client) restore(ctx context.Context, d *Dump, o restoreOptions) (RestoreResult, error) {
	if names := d.pendingDrops(); len(names) > 0 && !o.pendingDrops {
		return RestoreResult{}, fmt.Errorf("%w: it would start to drop %s; restore with pending drops only if that is meant",
			ErrInvalid, strings.Join(names, ", "))
	}
	have, err := c.store.Fetch(ctx, 0, restoreReads...)
	if err != nil {
		return RestoreResult{}, err
	}
	if err := checkTarget(have); err != nil {
		return RestoreResult{}, err
	}
	if errors.Is(checkVersion(have), ErrVersionMissing) {
		if err := c.apart(ctx); err != nil {
			return RestoreResult{}, err
		}
	}
	plan := newRestorePlan(d)
	res := plan.result
	if o.overwrite {
		before := have
		if have, res.Removed = emptied(have); res.Removed > 0 {
			if _, err := o.wipe(before); err != nil {
				return res, err
			}
		}
	}
	if err := plan.check(have); err != nil {
		return res, err
	}
	res.Present = plan.present(have)
	missing := 0
	var trial rehearsal
	for change := range plan.stage(have) {
		res.Transactions++
		missing += plan.counted(change)
		trial.see(change)
	}
	res.Revision = have.Revision
	if o.dryRun {
		return res, nil
	}
	if c.readOnly {
		return res, ErrReadOnly
	}
	if res.Removed > 0 {
		if err := trial.check(ctx, c.store); err != nil {
			return res, fmt.Errorf("nothing was removed: %w", err)
		}
		wipe := kv.Op{Name: "wipe before a restore", Reads: o.reads(wipeReads),
			Plan: func(have *kv.Snapshot) (kv.Change, error) {
				if err := o.holds(have); err != nil {
					return kv.Change{}, err
				}
				return o.wipe(have)
			}}
		if _, err := kv.Run(ctx, c.store, wipe); err != nil {
			return res, err
		}
	}
	if err := c.initialise(ctx); err != nil {
		return res, err
	}
	done := res.Keys - missing
	stage := func(have *kv.Snapshot) (iter.Seq[kv.Change], error) {
		if err := o.holds(have); err != nil {
			return nil, err
		}
		return plan.checkedStage(have)
	}
	res.Revision, err = kv.RunStage(ctx, c.store, "restore", o.reads(restoreReads), stage,
		func(change kv.Change, _ kv.Revision) {
			done += plan.counted(change)
			if o.progress != nil {
				o.progress(min(done, res.Keys), res.Keys)
			}
		})
	return res, err
}

// restoreReads are the catalogue, the spellings, and what forbids to create a name or to wipe. They are ranges: a
// restore guards each key that it puts.
var restoreReads = []kv.Span{csskey.Catalogue, kv.Below(foldRoot), kv.Below(czarRoot), kv.Below(dropRoot)}

func checkTarget(have *kv.Snapshot) error {
	e := have.At(cssPath(versionKey))
	if e.Exists() && e.Value != Version {
		return &VersionError{Want: Version, Got: e.Value}
	}
	return nil
}

func inMeta(key string) bool { return key == metaKey || strings.HasPrefix(key, metaKey+"/") }

// wipedSpans are the catalogue without /css_meta, its empty chunks, and what is kept beside it about its names.
var wipedSpans = []kv.Span{
	{From: cssRoot + "/", To: cssPath(metaKey)},
	{From: cssPath(metaKey) + "\x00", To: cssPath(metaKey) + "/"},
	{From: cssPath(metaKey) + "0", To: csskey.Catalogue.To},
	kv.Below(foldRoot),
	kv.Below(refRoot),
}

var wipeReads = spans(keys(versionKey), []kv.Span{kv.Below(czarRoot), kv.Below(dropRoot)})

// wipe plans to remove the catalogue in one transaction, its version and history excepted.
func (o restoreOptions) wipe(have *kv.Snapshot) (kv.Change, error) {
	if err := checkTarget(have); err != nil {
		return kv.Change{}, err
	}
	if !have.Empty(kv.Below(dropRoot)) {
		return kv.Change{}, ErrDropPending
	}
	e := newEdit(have)
	if err := (writeOptions{unsafe: o.unsafe}).removal(have, e); err != nil {
		return kv.Change{}, err
	}
	e.change.Deletes = wipedSpans
	e.change.Guards = append(e.change.Guards, kv.Guard{Kind: kv.NothingBelow, Path: dropRoot})
	return e.change, nil
}

// emptied returns what a wipe leaves, and how many CSS keys it removes.
func emptied(have *kv.Snapshot) (*kv.Snapshot, int) {
	b, n := have.Edit(), 0
	for i, span := range wipedSpans {
		gone := len(b.DeleteSpan(span))
		if i < 3 {
			n += gone
		}
	}
	return b.Snapshot(have.Revision), n
}

// checkedStage is the stage with the check that nobody else has put something into the target meanwhile.
func (p *restorePlan) checkedStage(have *kv.Snapshot) (iter.Seq[kv.Change], error) {
	if err := checkVersion(have); err != nil {
		return nil, err
	}
	if err := p.check(have); err != nil {
		return nil, err
	}
	return p.stage(have), nil
}

// check says why the dump cannot go into the target.
func (p *restorePlan) check(have *kv.Snapshot) error {
	if err := p.checkSubset(have); err != nil {
		return err
	}
	return p.checkIntents(have)
}
