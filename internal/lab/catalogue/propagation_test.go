package catalogue

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// Every observer sees every change once, ours and the peer's, or the two would not be compared.
func TestObserversSeeEveryChange(t *testing.T) {
	r := &rig.Rig{Bench: measure.Bench{Progress: func(line string) { t.Log(line) }}}
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	s := family.Shape{Prefix: cssetcd.DefaultPrefix, Databases: 1}
	css, err := r.Family(t.Context(), s)
	require.NoError(t, err)
	p := &propagating{etcd: css.Etcd(), css: css, table: s.Tables()[0], observers: 3, changes: 7}
	for name, observe := range map[string]observer{"views": p.view, "watches": p.watch} {
		var m measure.Meter
		require.NoError(t, p.measure(t.Context(), &m, observe), name)
		assert.Len(t, m.Series["delay"], 3*7, name)
	}
	assert.Equal(t, 2*7, p.value)

	var m measure.Meter
	broken := func(context.Context, func(), func(string)) error { return assert.AnError }
	assert.ErrorIs(t, p.measure(t.Context(), &m, broken), assert.AnError)
}
