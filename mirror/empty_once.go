package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/wait"
)

// newestFeed is a feed of what etcd has when it is asked.
type newestFeed struct {
	catalogue Catalogue
	last      *cssetcd.Snapshot
}

func (f *newestFeed) Snapshot() *cssetcd.Snapshot { return f.last }

// Next reads the catalogue anew.
func (f *newestFeed) Next(ctx context.Context) (cssetcd.Update, error) {
	if err := ctx.Err(); err != nil {
		return cssetcd.Update{}, err
	}
	s, err := f.catalogue.Snapshot(ctx, 0)
	if err == nil {
		f.last = s
	}
	return cssetcd.Update{To: f.last}, err
}

// emptyOnce makes the tables of empty chunks say what etcd says, or the other way round, and returns what that took.
// Where another mirror has taken the table over meanwhile, that one does it.
func (m *Mirror) emptyOnce(ctx context.Context, s *session) (done []EmptyDifference, err error) {
	if m.cfg.Empty == nil {
		return nil, nil
	}
	k := m.emptyKeeper(s)
	k.Feed = &newestFeed{catalogue: m.cfg.Catalogue}
	k.done = func(d EmptyDifference) { done = append(done, d) }
	defer func() {
		slices.SortStableFunc(done, func(a, b EmptyDifference) int { return cmp.Compare(a.DB, b.DB) })
	}()
	switch err := k.once(ctx); {
	case errors.Is(err, ErrFenced):
	case errors.Is(err, ErrUnauthorized) && m.emptyAgrees(ctx): // who has nothing to do needs no privileges for it
	case err != nil:
		return done, fmt.Errorf("kvData shows revision %d, and the tables of empty chunks do not: %w", s.state.Applied, err)
	}
	return done, nil
}

// emptyAgrees reports whether nothing is to be done.
func (m *Mirror) emptyAgrees(ctx context.Context) bool {
	found, _, err := compareEmpty(ctx, m.cfg.Target, m.cfg.Catalogue, false)
	return err == nil && len(found) == 0
}

// once does what is due. What others have just changed it waits for to settle.
func (k *emptyKeeper) once(ctx context.Context) error {
	db, err := k.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	for began := time.Now(); ; {
		if _, err := k.Feed.Next(ctx); err != nil {
			return err
		}
		if err := k.catchUp(ctx); err != nil {
			return err
		}
		if err := k.look(ctx, db); err != nil {
			return err
		}
		if !k.waits() || time.Since(began) > k.pace.once {
			return k.undone()
		}
		if err := wait.UpTo(ctx, k.pace.poll); err != nil {
			return err
		}
	}
}

// waits reports whether others are in the way of something, or have just changed it.
func (k *emptyKeeper) waits() bool {
	for _, n := range k.missed {
		if n > 0 {
			return true
		}
	}
	return false
}

// undone is the error of what could not be done.
func (k *emptyKeeper) undone() error {
	for name, n := range k.missed {
		if n > 0 {
			k.tell(name, "the table of empty chunks is left", errors.New("others keep it locked, or go on changing it"))
		}
	}
	if texts := k.texts(); len(texts) > 0 {
		return errors.New(strings.Join(texts, "; "))
	}
	return nil
}

// texts are what is wrong, by database.
func (k *emptyKeeper) texts() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(k.told)) {
		if k.told[name] != "" {
			all = append(all, k.told[name])
		}
	}
	if more := len(all) - mostNamed; more > 0 {
		all = append(all[:mostNamed], fmt.Sprintf("and %d more", more))
	}
	return all
}
