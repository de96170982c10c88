package cssetcd_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

// TestTabbedDump: what Qserv wrote before 2016 is read, and what is wrong in it is named by its line or its key.
func TestTabbedDump(t *testing.T) {
	t.Parallel()
	d, err := cssetcd.ParseDump(strings.NewReader("\n/\t\\N\n" +
		"/css_meta\t\\N\n/css_meta/version\t1\r\n\n/DBS\t\n/DBS/LSST\tREADY\n" +
		"/DBS/LSST/TABLES\t\\N\n/DBS/LSST/TABLES/Object\tREADY\n/DBS/LSST/TABLES/Object/schema\t(a INT,\tb INT)"))
	require.NoError(t, err)
	assert.Equal(t, []string{"/DBS", "/DBS/LSST", "/DBS/LSST/TABLES", "/DBS/LSST/TABLES/Object",
		"/DBS/LSST/TABLES/Object/schema", "/css_meta", "/css_meta/version"}, d.Keys())
	for key, want := range map[string]string{"/DBS/LSST": "READY", "/DBS/LSST/TABLES": "", "/css_meta/version": "1",
		"/DBS/LSST/TABLES/Object/schema": "(a INT,\tb INT)"} {
		got, ok := d.Value(key)
		assert.True(t, ok)
		assert.Equal(t, want, got, key)
	}
	_, err = cssetcd.ParseDump(strings.NewReader("/css_meta/version\t1\n/DBS\n/DBS/a//b\tx\n/DBS/c\t1\n/DBS/c\t2\n"))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	for _, fault := range []string{"line 2: it has no TAB", "/DBS/a//b", "duplicate key /DBS/c"} {
		assert.ErrorContains(t, err, fault)
	}
}
