package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
)

// newMirror returns a mirror of what a view shows into our database.
func (r *Rig) newMirror(ctx context.Context, css *cssetcd.Client, view *cssetcd.View) (*mirror.Mirror, error) {
	target, err := r.MySQL(ctx, oursDB)
	if err != nil {
		return nil, err
	}
	return mirror.New(mirror.Config{Feed: view.Subscribe(), Catalogue: css, Target: target, Owner: "bench"})
}

// following runs a mirror while f runs, which begins when our table shows the catalogue.
func (r *Rig) following(ctx context.Context, css *cssetcd.Client, view *cssetcd.View,
	f func(context.Context) error) error {
	m, err := r.newMirror(ctx, css, view)
	if err != nil {
		return err
	}
	return beside(ctx, "the mirror", m.Run, func(ctx context.Context) error {
		if err := awaitApplied(ctx, m, view.Snapshot().Revision()); err != nil {
			return err
		}
		return f(ctx)
	})
}

// beside runs f, and something in the background as long. When that ends first, f's context ends for this reason.
func beside(ctx context.Context, name string, background, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cancel(fmt.Errorf("%s ended: %w", name, background(ctx)))
	}()
	err := f(ctx)
	if errors.Is(err, context.Canceled) {
		err = context.Cause(ctx)
	}
	cancel(nil)
	<-ended
	return err
}

// awaitApplied waits until a mirror's table shows a revision or a later one.
func awaitApplied(ctx context.Context, m *mirror.Mirror, rev cssetcd.Revision) error {
	for {
		s := m.Status()
		switch {
		case s.Applied >= rev:
			return nil
		case s.Phase == mirror.Refused:
			return s.Err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}
