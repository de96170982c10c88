package api_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/testkit"
)

// TestNames finds databases and tables by a part of their names, also those that cannot be read.
func TestNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	listed := func(query string) (all []string) {
		for _, n := range decode[form.Names](w.get("/v1/names" + query)).Names {
			name := n.Database
			if n.Table != nil {
				name += "." + *n.Table
			}
			all = append(all, name+" "+n.Status+n.Error)
		}
		return all
	}
	all := []string{"LSST READY", "LSST.Filter READY", "LSST.Object READY"}
	assert.Equal(t, all, listed(""))
	assert.Equal(t, all[1:], listed("?database=LSST"))
	assert.Equal(t, all[2:], listed("?text=oBJ"))
	assert.Equal(t, all[1:2], listed("?text=st.F"), "of a table the whole name counts")
	assert.Empty(t, listed("?text=nothing"))
	assert.Equal(t, all[:2], listed("?limit=2"))
	assert.False(t, decode[form.Names](w.get("/v1/names?limit=2")).Complete)
	assert.True(t, decode[form.Names](w.get("/v1/names?limit=3")).Complete)
	assert.Equal(t, "no_such_database", w.get("/v1/names?database=None").code())
	assert.Equal(t, "bad_query", w.get("/v1/names?limit=0").code())

	testkit.OK(t)(w.etcd.Put(t.Context(), w.css.Prefix()+"/css/DBS/LSST/TABLES/Object/partitioning/.packed.json", "{"))
	assert.Eventually(t, func() bool { return len(listed("?text=object")[0]) > len("LSST.Object READY") }, patience, tick)
}
