package deletion_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/embedetcd/embedetcdtest"
)

// A gate or a coordinator whose view is of another catalogue than its client would wait for the wrong drops: it is refused before it has written anything.
func TestViewOfAnotherCatalogue(t *testing.T) {
	f := newFleet(t)
	other, err := embedetcdtest.ForTest(t, embedetcd.Options{}).Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	css := func(prefix string, elsewhere bool) *cssetcd.Client {
		etcd := f.etcd
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
		g, err := deletion.OpenGate(f.soon(), c, v, opts...)
		if err == nil {
			require.NoError(t, g.Close(f.soon()))
		}
		return err
	}
	coordinate := func(c *cssetcd.Client, v *cssetcd.View) error {
		made, err := deletion.NewCoordinator(deletion.CoordinatorConfig{Catalogue: c, View: v})
		if err != nil {
			return err
		}
		return made.Run(f.soon())
	}
	same, prefix := view(f.css), view(css(fmt.Sprintf("/test%d", prefixes.Add(1)), false))
	elsewhere := view(css(f.css.Prefix(), true))
	for name, wrong := range map[string]struct {
		css  *cssetcd.Client
		view *cssetcd.View
	}{
		"below /test": {f.css, prefix}, "cluster": {f.css, elsewhere}, "client is nil": {nil, same}, "view is nil": {f.css, nil},
	} {
		for _, err := range []error{open(wrong.css, wrong.view), coordinate(wrong.css, wrong.view)} {
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			require.ErrorContains(t, err, name)
		}
	}
	require.ErrorIs(t, open(f.css, same, deletion.CzarName("")), cssetcd.ErrInvalid)
	assert.Empty(t, f.keys("czar/"))
	// Two clients on one catalogue are none the worse for being two.
	require.NoError(t, open(css(f.css.Prefix(), false), same))
}

// The gate tells a table of another catalogue from one of its own, in the same cluster.
func TestTableOfAnotherCatalogue(t *testing.T) {
	f, stranger := newFleet(t), newFleet(t)
	c := f.czar("one")
	theirs, err := stranger.css.Table(t.Context(), object)
	require.NoError(t, err)
	_, err = c.Admit(theirs)
	require.ErrorIs(t, err, deletion.ErrStale, "it is newer than ours")
	ours, err := f.css.Table(t.Context(), object)
	require.NoError(t, err)
	s, err := deletion.OpenGate(f.soon(), stranger.css, stranger.view())
	require.NoError(t, err)
	_, err = s.Admit(ours)
	require.ErrorIs(t, err, deletion.ErrGone, "it is older")
	require.NoError(t, s.Close(f.soon()))
}
