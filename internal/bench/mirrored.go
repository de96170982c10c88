package bench

import (
	"context"
	"database/sql"
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
func (r *Rig) following(ctx context.Context, css *cssetcd.Client, view *cssetcd.View, db *sql.DB, f func(context.Context) error) error {
	m, err := r.newMirror(ctx, css, view)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cancel(fmt.Errorf("the mirror ended: %w", m.Run(ctx)))
	}()
	err = awaitApplied(ctx, db, view.Snapshot().Revision())
	if err == nil {
		err = f(ctx)
	}
	if err != nil && errors.Is(err, context.Canceled) {
		err = context.Cause(ctx)
	}
	cancel(nil)
	<-ended
	return err
}

// awaitApplied waits until our table shows a revision or a later one.
func awaitApplied(ctx context.Context, db *sql.DB, rev cssetcd.Revision) error {
	for {
		var applied cssetcd.Revision
		err := db.QueryRowContext(ctx, "SELECT applied FROM "+oursDB+".css_mirror_state").Scan(&applied)
		if err == nil && applied >= rev {
			return nil
		}
		select { // an error means that the mirror has not made its tables yet
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
