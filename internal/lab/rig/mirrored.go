package rig

import (
	"context"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Mirror returns a mirror of what a view shows into our database.
func (r *Rig) Mirror(ctx context.Context, css *cssetcd.Client, view *cssetcd.View) (*mirror.Mirror, error) {
	target, err := r.MySQL(ctx, OursDB)
	if err != nil {
		return nil, err
	}
	return mirror.New(mirror.Config{Feed: view.Subscribe(), Catalogue: css, Target: target, Owner: "bench"})
}

// Mirrored runs a mirror while f runs, which begins when our table shows the catalogue.
func (r *Rig) Mirrored(ctx context.Context, css *cssetcd.Client, view *cssetcd.View,
	f func(context.Context) error) error {
	m, err := r.Mirror(ctx, css, view)
	if err != nil {
		return err
	}
	return Following(ctx, m, view.Snapshot().Revision(), f)
}

// Shared runs a mirror that takes what others write into our table, while f runs.
func (r *Rig) Shared(ctx context.Context, css *cssetcd.Client, view *cssetcd.View,
	f func(context.Context) error) error {
	target, err := r.MySQL(ctx, OursDB)
	if err != nil {
		return err
	}
	taker, err := mirror.NewTaker(css, "")
	if err != nil {
		return err
	}
	m, err := mirror.New(mirror.Config{Feed: view.Subscribe(), Catalogue: css, Inbox: taker, Target: target,
		Owner: "bench"})
	if err != nil {
		return err
	}
	if _, err := m.Once(ctx); err != nil {
		return err
	}
	if err := mirror.ShareWriting(ctx, target, css, taker, kvdata.DefaultTimeout); err != nil {
		return err
	}
	return Following(ctx, m, 0, f)
}

// Following runs a mirror while f runs, which begins when its table shows a revision.
func Following(ctx context.Context, m *mirror.Mirror, at cssetcd.Revision, f func(context.Context) error) error {
	return Beside(ctx, "the mirror", m.Run, func(ctx context.Context) error {
		if err := AwaitShown(ctx, m, func(rev cssetcd.Revision) bool { return rev >= at }); err != nil {
			return err
		}
		return f(ctx)
	})
}

// AwaitShown waits until a mirror's table shows a revision as wanted.
func AwaitShown(ctx context.Context, m *mirror.Mirror, wanted func(cssetcd.Revision) bool) error {
	for {
		s := m.Status()
		switch {
		case s.Phase == mirror.Following && wanted(s.Applied):
			return nil
		case s.Phase == mirror.Refused:
			return s.Err
		}
		if err := wait.For(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}
