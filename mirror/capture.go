package mirror

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Writers says who may write to a catalogue that is mirrored.
type Writers string

// Who may write. The texts are a stable contract.
const (
	OnlyEtcd  Writers = "etcd"  // what others write into kvData is undone
	BothSides Writers = "both"  // it is captured, and taken into etcd
	OnlyMySQL Writers = "mysql" // kvData was left to others, and nobody brings it to etcd
)

// Sides is how a catalogue and a kvData are written.
type Sides struct {
	Writers    Writers        // as etcd says, and where only one side is written, MySQL
	Unfinished error          // ErrImporting, ErrExporting, or nil
	Capture    kvdata.Capture // as MySQL has it
}

// How MySQL and etcd disagree: which of them alone says that both sides write.
const (
	onlyInMySQL = "kvData captures what others write, and etcd says that only etcd is written"
	onlyInEtcd  = "etcd says that both sides write, and kvData does not capture what others write"
)

// Agree reports whether MySQL and etcd say the same, and what captures is whole.
func (s Sides) Agree() bool {
	return len(s.Troubles()) == 0
}

// Troubles are what is wrong with that, as far as it can be seen from outside: none where all is well.
func (s Sides) Troubles() (all []Trouble) {
	if s.Unfinished != nil { // which explains whatever else there may be
		return []Trouble{NewTrouble(KindOf(s.Unfinished).Code, s.Unfinished.Error(), time.Time{})}
	}
	switch capture := s.Capture; {
	case s.Writers != BothSides && capture.Installed:
		all = append(all, NewTrouble(ModeMismatch, onlyInMySQL, time.Time{}))
	case s.Writers == BothSides && !capture.Installed:
		all = append(all, NewTrouble(ModeMismatch, onlyInEtcd, time.Time{}))
	}
	if len(s.Capture.Faults) > 0 {
		all = append(all, NewTrouble(CaptureBroken, strings.Join(s.Capture.Faults, "; "), time.Time{}))
	}
	return all
}

// ReadSides returns who may write.
func ReadSides(ctx context.Context, target *mysql.Config, etcd *Taker) (s Sides, err error) {
	mode, _, err := etcd.mode(ctx)
	if err != nil {
		return s, err
	}
	state, err := kvdata.ReadState(ctx, target)
	if err != nil && !errors.Is(err, ErrNoMirror) {
		return s, err
	}
	s.Writers, s.Unfinished = WritersOf(mode, state), mode.Unfinished
	s.Capture, err = kvdata.ReadCapture(ctx, target)
	return s, err
}

// WritersOf returns who may write: whether both sides do is in etcd, and whether kvData was left to others in MySQL.
func WritersOf(mode Mode, state kvdata.State) Writers {
	switch {
	case mode.Shared:
		return BothSides
	case state.Released():
		return OnlyMySQL
	}
	return OnlyEtcd
}

// ShareWriting lets both sides write from now on: what others write into kvData is captured, and a mirror takes it into
// etcd. kvData must show the catalogue, since what others wrote before is undone; else it fails with [ErrForeign], and
// with [ErrReleased], [ErrImporting] or [ErrExporting] where kvData was or is being left to them, or imported. No
// writer is stopped. It waits, until ctx ends, for a moment in which no transaction of others on kvData is open. Run
// again after any failure, it goes on.
func ShareWriting(ctx context.Context, target *mysql.Config, catalogue Catalogue, etcd *Taker,
	timeout time.Duration) error {
	before, err := ReadSides(ctx, target, etcd)
	if err != nil {
		return err
	}
	switch {
	case before.Unfinished != nil:
		return before.Unfinished
	case before.Writers == OnlyMySQL:
		return ErrReleased
	case !before.Capture.Installed:
		if err := agrees(ctx, target, catalogue); err != nil {
			return err
		}
	}
	if err := kvdata.InstallCapture(ctx, target, timeout); err != nil {
		return fmt.Errorf("capture what others write: %w", err)
	}
	if !before.Capture.Installed { // others may have written between the comparison and the triggers
		if err := agrees(ctx, target, catalogue); err != nil {
			return errors.Join(err, kvdata.RemoveCapture(ctx, target, timeout, true))
		}
	}
	if err := etcd.Begin(ctx); err != nil {
		return err
	}
	return kvdata.Interrupt(ctx, target) // a mirror at work takes the table over anew, and finds out
}

// ErrForeign says that kvData holds what others wrote and nobody has undone.
var ErrForeign = errors.New("others wrote into kvData, and that is in no catalogue")

// agrees fails where kvData does not show the catalogue.
func agrees(ctx context.Context, target *mysql.Config, catalogue Catalogue) error {
	found, err := Check(ctx, target, catalogue)
	switch {
	case err != nil:
		return err
	case !found.InAgreement():
		return fmt.Errorf("%w: %d rows differ, the first is %q; undo that with `css-sync check --repair`", ErrForeign,
			len(found.Differences), found.Differences[0].Key)
	}
	return nil
}

// drainEvery is how often the inbox is looked at while a mirror empties it.
const drainEvery = 100 * time.Millisecond

// StopSharing lets only one side write from now on: nothing is captured any more. What was captured before is taken by
// the mirror that runs, which is waited for until ctx ends; with force it is given up. Run again after any failure, it
// goes on. It fails with [ErrImporting] and [ErrExporting].
func StopSharing(ctx context.Context, target *mysql.Config, etcd *Taker, timeout time.Duration, force bool) error {
	if _, err := etcd.Taken(ctx); err != nil {
		return err
	}
	if err := drainInbox(ctx, target, timeout, force); err != nil {
		return fmt.Errorf("capture no longer what others write: %w", err)
	}
	if err := etcd.End(ctx); err != nil {
		return err
	}
	return kvdata.Interrupt(ctx, target)
}

func drainInbox(ctx context.Context, target *mysql.Config, timeout time.Duration, force bool) (err error) {
	for {
		last := err
		switch err = kvdata.RemoveCapture(ctx, target, timeout, force); {
		case err == nil:
			return nil
		case wait.Over(ctx) && last != nil:
			err = last
		case !errors.Is(err, kvdata.ErrNotTaken):
			return err
		}
		if ended := wait.UpTo(ctx, drainEvery); ended != nil {
			return fmt.Errorf("%w; start `css-sync serve`, or give it up with --force", err)
		}
	}
}
