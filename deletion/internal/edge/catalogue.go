package edge

import (
	"context"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// Open returns the store that a client works on, for writing in its name.
func Open(css *cssetcd.Client) (*kv.Etcd, error) {
	if css == nil {
		return nil, fmt.Errorf("%w: the client is nil", cssetcd.ErrInvalid)
	}
	if css.Etcd() == nil {
		return nil, fmt.Errorf("%w: a catalogue on a file has no czars", cssetcd.ErrInvalid)
	}
	return kv.Of(css)
}

// ReadRegistrationContext reads the settings and the history of etcd. It fails with ErrTiming when the settings do not
// fit together.
func ReadRegistrationContext(ctx context.Context, st kv.Store) (protocol.RegistrationContext, error) {
	have, err := st.Fetch(ctx, 0, protocol.RegistrationContextReads()...)
	if err != nil {
		return protocol.RegistrationContext{}, err
	}
	return protocol.ReadRegistrationContext(have)
}

// Paired fails where a client and a view cannot be of one catalogue. It asks nobody.
func Paired(css *cssetcd.Client, view *cssetcd.View) error {
	switch {
	case css == nil:
		return fmt.Errorf("%w: the client is nil", cssetcd.ErrInvalid)
	case view == nil:
		return fmt.Errorf("%w: the view is nil", cssetcd.ErrInvalid)
	case css.Prefix() != view.Client().Prefix():
		return fmt.Errorf("%w: the view is of the catalogue below %s, and the client works on %s", cssetcd.ErrInvalid,
			view.Client().Prefix(), css.Prefix())
	}
	return nil
}

// Identical fails where a client and a view are not of one catalogue: what the view shows would not be what is dropped.
// It asks etcd where they do not share a client.
func Identical(ctx context.Context, css *cssetcd.Client, view *cssetcd.View) error {
	if css == view.Client() {
		return nil
	}
	ours, err := css.Identity(ctx)
	if err != nil {
		return err
	}
	shown, err := view.Client().Identity(ctx)
	switch {
	case err != nil:
		return err
	case ours.Cluster != shown.Cluster:
		return fmt.Errorf("%w: the view is of the cluster %x, and the client works on %x", cssetcd.ErrInvalid, shown.Cluster,
			ours.Cluster)
	case ours != shown:
		return fmt.Errorf("%w: the view is of the catalogue with the history %q, and the client works on %q",
			cssetcd.ErrInvalid, shown.History, ours.History)
	}
	return nil
}
