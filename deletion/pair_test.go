package deletion_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// A gate or a coordinator whose view is of another catalogue than its client would wait for the wrong drops: it is
// refused before it has written anything.
func TestViewOfAnotherCatalogue(t *testing.T) {
	f := newFleet(t)
	other, err := testkit.Etcd(t, embedetcd.Options{}).Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	css := func(prefix string, elsewhere bool) *cssetcd.Client {
		etcd := f.Etcd
		if elsewhere {
			etcd = other
		}
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
	same, prefix := view(f.CSS), view(css(fleettest.Prefix(), false))
	elsewhere := view(css(f.CSS.Prefix(), true))
	for name, wrong := range map[string]struct {
		css  *cssetcd.Client
		view *cssetcd.View
	}{
		"below /test": {f.CSS, prefix}, "cluster": {f.CSS, elsewhere}, "client is nil": {nil, same}, "view is nil": {f.CSS,
			nil},
	} {
		for _, err := range []error{open(wrong.css, wrong.view), coordinate(wrong.css, wrong.view)} {
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			require.ErrorContains(t, err, name)
		}
	}
	require.ErrorIs(t, open(f.CSS, same, deletion.CzarName("")), cssetcd.ErrInvalid)
	assert.Empty(t, f.Keys("czar/"))
	// Two clients on one catalogue are none the worse for being two.
	require.NoError(t, open(css(f.CSS.Prefix(), false), same))
}

// The gate tells a table of another catalogue from one of its own, in the same cluster.
func TestTableOfAnotherCatalogue(t *testing.T) {
	f, stranger := newFleet(t), newFleet(t)
	c := f.Czar("one")
	theirs, err := stranger.CSS.Table(t.Context(), object)
	require.NoError(t, err)
	_, err = c.Admit(theirs)
	require.ErrorIs(t, err, deletion.ErrStale, "it is newer than ours")
	ours, err := f.CSS.Table(t.Context(), object)
	require.NoError(t, err)
	s, err := deletion.OpenGate(f.Soon(), stranger.CSS, stranger.View())
	require.NoError(t, err)
	_, err = s.Admit(ours)
	require.ErrorIs(t, err, deletion.ErrGone, "it is older")
	require.NoError(t, s.Close(f.Soon()))
}
