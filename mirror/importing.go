package mirror

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Import says what is imported from where to where.
type Import struct {
	Client *cssetcd.Client
	Target *mysql.Config
	Name   string // of the mirror that keeps kvData afterwards; "" is DefaultName
	Owner  string // who this is, for whoever reads css_mirror_state
	// Overwrite removes what etcd holds first: the rest of an import that was interrupted, or a catalogue that is given up
	// for what MySQL holds.
	Overwrite bool
	// PendingDrops lets statuses PENDING_DROP in, each of which starts a drop.
	PendingDrops bool
	Timeout      time.Duration // as in [Config]
	Wait         time.Duration // for a moment without an open transaction on kvData; 0: for ever
	// Progress is called with the keys that are in etcd, and that there will be; nil: nobody is told.
	Progress func(done, total int)
	Only     func(key string) bool // which keys; nil: all
}

// Imported is what an import did, or would do.
type Imported struct {
	cssetcd.RestoreResult
	Rows    int  // of kvData, in the snapshot that was imported
	Resumed bool // it had been interrupted before its last step, which alone was left
	Waiting int  // changes that were captured meanwhile, and that a mirror takes
}

// ErrImported says that there is nothing to import, because both sides write already.
var ErrImported = errors.New("both sides write already")

// ErrTable says that kvData holds what no catalogue holds.
var ErrTable = errors.New("kvData is not a catalogue")

// Run takes a kvData that others write into etcd, while they go on: from then on both sides write. What they write is
// captured first; then one consistent snapshot of kvData becomes the catalogue, and a mirror takes what was captured
// since. No writer is stopped; nobody may write to etcd before it has ended, and a catalogue that is not kvData's in
// the end is refused. Run again after any failure it goes on, with Overwrite where others changed kvData in between.
//
// It fails with [ErrImported], with [ErrExporting], with [ErrTable] and all faults together, with cssetcd.ErrNotEmpty,
// cssetcd.ErrOvertaken where another import took over, and as InstallCapture and Restore do.
func (i Import) Run(ctx context.Context) (Imported, error) {
	taker, err := NewTaker(i.Client, i.Name)
	if err != nil {
		return Imported{}, err
	}
	mode, _, err := taker.mode(ctx)
	switch {
	case err != nil:
		return Imported{}, err
	case errors.Is(mode.Unfinished, ErrExporting):
		return Imported{}, ErrExporting
	case mode.Shared:
		return Imported{}, ErrImported
	case mode.Unfinished == nil:
		if _, err := i.DryRun(ctx); err != nil { // all that is wrong, before anything is changed
			return Imported{}, err
		}
	}
	timeout := i.Timeout
	if timeout == 0 {
		timeout = kvdata.DefaultTimeout
	}
	db, err := kvdata.Open(ctx, i.Target, timeout)
	if err != nil {
		return Imported{}, err
	}
	defer db.Close()
	by := kvdata.Claim{Name: taker.name, Owner: i.Owner, Adopt: true}
	if by.Identity, err = i.Client.Identity(ctx); err != nil {
		return Imported{}, fmt.Errorf("ask etcd which catalogue it holds: %w", err)
	}
	state, _, err := db.TakeOver(ctx, by)
	if err != nil {
		return Imported{}, err
	}
	claim, interrupted, err := taker.claim(ctx, state.Term)
	if err != nil {
		return Imported{}, err
	}
	capture, err := db.Capture(ctx)
	if err != nil {
		return Imported{}, err
	}
	s := importing{Import: i, db: db, taker: taker, by: by, term: state.Term, claim: claim}
	switch {
	case interrupted && state.Applied > 0 && capture.Installed && len(capture.Faults) == 0: // all but the last step
		return Imported{RestoreResult: cssetcd.RestoreResult{Revision: state.Applied}, Rows: state.Rows,
			Waiting: capture.Waiting, Resumed: true}, taker.imported(ctx, claim)
	case !interrupted && state.Applied > 0 && !i.Overwrite:
		err := fmt.Errorf("%w: kvData showed revision %d of a catalogue in etcd; to give up what etcd holds for what kvData "+
			"holds, overwrite it", cssetcd.ErrNotEmpty, state.Applied)
		return Imported{}, errors.Join(err, taker.unclaim(ctx, claim))
	}
	return s.run(ctx, timeout)
}

// importing is an import under way.
type importing struct {
	Import
	db    *kvdata.Conn
	taker *Taker
	by    kvdata.Claim
	term  int64
	claim cssetcd.Revision
}

func (s importing) run(ctx context.Context, timeout time.Duration) (res Imported, err error) {
	if err := s.db.Forget(ctx, s.term); err != nil {
		return res, err
	}
	if err := s.db.EnsureRoots(ctx); err != nil {
		return res, err
	}
	if err := s.capture(ctx, timeout); err != nil {
		return res, fmt.Errorf("capture what others write: %w", err)
	}
	in, table, _, err := s.db.Everything(ctx, 0)
	if err != nil {
		return res, err
	}
	if in.Term != s.term {
		return res, fmt.Errorf("%w: css_mirror_state is at term %d, and this import's is %d", ErrFenced, in.Term, s.term)
	}
	res.Rows = table.Len()
	dump, err := dumpOf(table, nil)
	if err != nil {
		return res, err
	}
	opts := append(s.options(), cssetcd.OnlyWhile(string(importPath(s.taker.name)), s.claim))
	if res.RestoreResult, err = s.Client.Restore(ctx, dump, opts...); err != nil {
		return res, err
	}
	if res.Revision, err = s.verified(ctx, table); err != nil {
		return res, err
	}
	if s.by.Identity, err = s.Client.Identity(ctx); err != nil {
		return res, err
	}
	err = s.db.Apply(ctx, kvdata.Step{
		Term: s.term, From: 0, To: res.Revision, Plan: plan.Nothing(table), Adopt: &s.by,
		Inbox: &kvdata.InboxStep{Known: inbox.IDsOfRows(in.Rows).All()},
	})
	if err != nil {
		return res, err
	}
	if capture, err := s.db.Capture(ctx); err == nil {
		res.Waiting = capture.Waiting
	}
	return res, s.taker.imported(ctx, s.claim)
}

func (s importing) capture(ctx context.Context, timeout time.Duration) error {
	if s.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Wait)
		defer cancel()
	}
	return kvdata.InstallCapture(ctx, s.Target, timeout)
}

func (i Import) options() []cssetcd.RestoreOption {
	var opts []cssetcd.RestoreOption
	if i.Overwrite {
		opts = append(opts, cssetcd.Overwrite())
	}
	if i.PendingDrops {
		opts = append(opts, cssetcd.WithPendingDrops())
	}
	if i.Progress != nil {
		opts = append(opts, cssetcd.OnProgress(i.Progress))
	}
	return opts
}

// verified returns a revision at which etcd holds exactly what the table does.
func (s importing) verified(ctx context.Context, table *plan.Table) (cssetcd.Revision, error) {
	have, err := s.Client.Snapshot(ctx, 0)
	if err != nil {
		return 0, err
	}
	p, err := plan.Full(table, have)
	if err != nil {
		return 0, err
	}
	var differ []string
	for _, d := range p.Differences() {
		differ = append(differ, d.Key)
	}
	for _, q := range p.Records { // kvData cannot even hold them
		differ = append(differ, q.Key)
	}
	if len(differ) > 0 {
		return 0, fmt.Errorf("%w: somebody wrote to etcd during the import, which must not be: %d keys differ, the first "+
			"is %q; run the import again and overwrite etcd", cssetcd.ErrNotEmpty, len(differ), differ[0])
	}
	return have.Revision(), nil
}

// DryRun says what Run would take, and what of kvData no catalogue holds. It writes nothing.
func (i Import) DryRun(ctx context.Context) (Imported, error) { return i.copy(ctx, cssetcd.DryRun()) }

// Part imports some keys once, for a trial: nothing is captured, and kvData stays as it is, and who keeps it.
func (i Import) Part(ctx context.Context) (Imported, error) { return i.copy(ctx) }

func (i Import) copy(ctx context.Context, more ...cssetcd.RestoreOption) (res Imported, err error) {
	found, err := kvdata.Find(ctx, i.Target, kvdata.DefaultTimeout, kvdata.Claim{Adopt: true})
	if err != nil {
		return res, err
	}
	dump, err := dumpOf(found.Table, i.Only)
	if err != nil {
		return res, err
	}
	res.Rows = found.Table.Len()
	res.RestoreResult, err = i.Client.Restore(ctx, dump, append(i.options(), more...)...)
	return res, err
}

// dumpOf makes a dump of the rows of a table, without the root, or says all that is wrong with them.
func dumpOf(table *plan.Table, only func(key string) bool) (*cssetcd.Dump, error) {
	faults := &multierror.Error{}
	if table.Len() == 0 {
		faults = multierror.Append(faults, errors.New("it has no rows"))
	}
	dump, err := cssetcd.NewDump(rowsOf(table, only))
	if err != nil {
		faults = multierror.Append(faults, err)
	}
	for r := range table.Rows() {
		if err := parentFault(table, r); err != nil {
			faults = multierror.Append(faults, err)
		}
	}
	if err := faults.ErrorOrNil(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTable, err)
	}
	return dump, nil
}

func rowsOf(table *plan.Table, only func(key string) bool) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for r := range table.Rows() {
			if r.Key != "" && (only == nil || only(r.Key)) && !yield(r.Key, r.Value) {
				return
			}
		}
	}
}

func parentFault(table *plan.Table, r plan.Row) error {
	if r.Key == "" || !strings.HasPrefix(r.Key, "/") {
		return nil // the root, or what is no key, which is told elsewhere
	}
	above, ok := table.Row(csskey.Parent(r.Key))
	switch {
	case !ok:
		return fmt.Errorf("the row %q has none above it", r.Key)
	case above.ID != r.Parent:
		return fmt.Errorf("the row %q has the parentKvId %d, and the row above it is %d", r.Key, r.Parent, above.ID)
	}
	return nil
}

// OfDatabase returns what chooses the keys of one database, with those that are no database's.
func OfDatabase(name string) func(key string) bool {
	return func(key string) bool {
		k := csskey.Parse(key)
		return k.DB == "" || k.DB == name
	}
}
