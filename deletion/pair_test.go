package deletion_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// A gate or a coordinator whose view is of another catalogue than its client would wait for the wrong drops: it is
// refused before it has written anything.
func TestViewOfAnotherCatalogue(t *testing.T) {
	f := newFleet(t)
	elsewhere := fleettest.Client(t, testkit.Etcd(t, embedetcd.Options{}))
	css := func(etcd *clientv3.Client, prefix string) *cssetcd.Client {
		c, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(prefix))
		require.NoError(t, err)
		return c
	}
	view := func(c *cssetcd.Client) *cssetcd.View {
		v, err := cssetcd.OpenView(t.Context(), c)
		require.NoError(t, err)
		t.Cleanup(v.Close)
		return v
	}
	open := func(c *cssetcd.Client, v *cssetcd.View, opts ...deletion.GateOption) error {
		g, err := deletion.OpenGate(f.Soon(), c, v, opts...)
		if err == nil {
			require.NoError(t, g.Close(f.Soon()))
		}
		return err
	}
	coordinate := func(c *cssetcd.Client, v *cssetcd.View) error {
		made, err := coordinator.New(coordinator.Config{Catalogue: c, View: v})
		if err != nil {
			return err
		}
		return made.Run(f.Soon())
	}
	same := view(f.CSS)
	for name, wrong := range map[string]struct {
		css  *cssetcd.Client
		view *cssetcd.View
	}{
		"below /test":   {f.CSS, view(css(f.Etcd, fleettest.Prefix()))},
		"cluster":       {f.CSS, view(css(elsewhere, f.CSS.Prefix()))},
		"client is nil": {nil, same},
		"view is nil":   {f.CSS, nil},
	} {
		for _, err := range []error{open(wrong.css, wrong.view), coordinate(wrong.css, wrong.view)} {
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			require.ErrorContains(t, err, name)
		}
	}
	require.ErrorIs(t, open(f.CSS, same, deletion.CzarName("")), cssetcd.ErrInvalid)
	assert.Empty(t, f.Keys("czar/"))
	// Two clients on one catalogue are none the worse for being two.
	require.NoError(t, open(css(f.Etcd, f.CSS.Prefix()), same))
}

// The gate tells a table of another catalogue from one of its own, in the same cluster.
func TestTableOfAnotherCatalogue(t *testing.T) {
	f, stranger := newFleet(t), newFleet(t)
	c := f.Czar("one")
	require.ErrorIs(t, errOf(c.Admit(stranger.Table(object))), deletion.ErrStale, "it is newer than ours")
	require.ErrorIs(t, errOf(stranger.Czar("two").Admit(f.Table(object))), deletion.ErrGone, "it is older")
}

// What cannot be read is told as that, and not as an answer.
func TestUnreadableAnswers(t *testing.T) {
	file, err := cssetcd.OpenFile(t.TempDir() + "/css.json")
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	_, err = deletion.NewClient(file)
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	require.ErrorContains(t, err, "a catalogue on a file has no czars")

	f := newFleet(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, errOf(f.Begun(ended, "LSST.Object")), context.Canceled)
	require.ErrorIs(t, errOf(f.Begun(t.Context(), "LSST..Object")), cssetcd.ErrInvalid)

	other := f.With(fleettest.Client(t, fleettest.Server))
	view := other.View()
	require.NoError(t, other.CSS.Etcd().Close())
	err = edge.Identical(t.Context(), f.CSS, view)
	require.Error(t, err)
	require.NotErrorIs(t, err, cssetcd.ErrInvalid, "nobody knows whose the view is")
}
