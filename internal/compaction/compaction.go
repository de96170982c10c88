// Package compaction keeps etcd's history short: it compacts to what was the newest revision some time ago.
//
// etcd keeps every value that every key ever had until it is told not to. The confirmations of czars are many small
// writes, which nobody reads again.
//
// Any number of processes may do this for one etcd. None has to be elected: compacting twice does nothing, and each
// knows for itself what was the newest revision when. A process that has just begun knows nothing and compacts nothing
// until it has run for as long as history is kept. Where they keep different lengths of history, the shortest counts.
package compaction

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Config says what is compacted.
type Config struct {
	Etcd *clientv3.Client
	// Key is any key that this client may read; it need not exist.
	Key string
	// Keep is how much history stays: at least that, and up to Every more.
	Keep time.Duration
	// Every is how often the newest revision is noted and history compacted. 0: a minute, or a quarter of Keep when that
	// is less.
	Every time.Duration
	Log   *slog.Logger // nil: nothing is logged
}

// Run compacts until ctx ends, and returns its error. Failures are logged and tried again with the next turn. It
// returns at once when Keep is not positive.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Keep <= 0 {
		return fmt.Errorf("compaction: a history of %s cannot be kept", cfg.Keep)
	}
	if cfg.Every <= 0 {
		cfg.Every = min(time.Minute, max(cfg.Keep/4, time.Millisecond))
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := compactor{cfg: cfg}
	tick := time.NewTicker(cfg.Every)
	defer tick.Stop()
	for {
		c.turn(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// turnLimit bounds a turn: one that hangs on a broken connection helps nobody.
const turnLimit = 30 * time.Second

type compactor struct {
	cfg       Config
	notes     []note // in the order of time and revision
	compacted int64
	permitted bool   // etcd lets this user compact
	said      string // the last trouble, which is logged once
}

// note is what was the newest revision when.
type note struct {
	at       time.Time
	revision int64
}

func (c *compactor) turn(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, turnLimit)
	defer cancel()
	err := c.askPermission(limited)
	if err == nil {
		err = c.compact(limited)
	}
	switch {
	case err == nil:
		c.said = ""
	case ctx.Err() == nil && err.Error() != c.said:
		c.said = err.Error()
		c.cfg.Log.Warn("etcd's history could not be compacted; it is tried again", "err", err)
	}
}

// errNotPermitted says what a refusal means.
var errNotPermitted = errors.New("this user of etcd may not compact, which takes etcd's role root: history grows " +
	"without end; give the user that role, or leave it to etcd: css-sync serve --compact=off, and etcd " +
	"--auto-compaction-mode=periodic --auto-compaction-retention=1h")

// noRevision is one that no etcd has.
const noRevision = math.MaxInt64

// askPermission finds out at the start whether etcd will let this user compact: nothing is old enough then, and who has
// to mend it is still there. What it asks for compacts nothing.
func (c *compactor) askPermission(ctx context.Context) error {
	if c.permitted {
		return nil
	}
	_, err := c.cfg.Etcd.Compact(ctx, noRevision)
	switch {
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return errNotPermitted
	case errors.Is(err, rpctypes.ErrFutureRev):
		err = nil
	}
	c.permitted = err == nil
	return err
}

func (c *compactor) compact(ctx context.Context) error {
	asked := time.Now()
	got, err := c.cfg.Etcd.Get(ctx, c.cfg.Key, clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	c.note(asked, got.Header.Revision)
	to := c.outdated(asked)
	if to <= c.compacted {
		return nil
	}
	_, err = c.cfg.Etcd.Compact(ctx, to)
	switch {
	case errors.Is(err, rpctypes.ErrCompacted): // somebody else was there before
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return errNotPermitted
	case errors.Is(err, rpctypes.ErrFutureRev): // etcd was set back between the two requests
		c.notes, c.compacted = nil, 0
		return nil
	case err != nil:
		return err
	default:
		c.cfg.Log.Debug("etcd's history compacted", "revision", to)
	}
	c.compacted = to
	return nil
}

// note notes the newest revision. One that is lower than before is that of an etcd that was restored from a backup:
// what was known is of another history.
func (c *compactor) note(at time.Time, revision int64) {
	if n := len(c.notes); n > 0 && revision < c.notes[n-1].revision {
		c.notes, c.compacted = nil, 0
	}
	c.notes = append(c.notes, note{at, revision})
}

// outdated returns the newest revision whose history is old enough, 0 for none, and forgets what was noted before it.
func (c *compactor) outdated(now time.Time) int64 {
	old := 0 // how many notes are old enough
	for old < len(c.notes) && now.Sub(c.notes[old].at) >= c.cfg.Keep {
		old++
	}
	if old == 0 {
		return c.compacted
	}
	c.notes = c.notes[old-1:]
	return c.notes[0].revision
}
