package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/diff"
)

// A table that no czar can query is refused, and named by whoever finds it: when it is shown, restored or compared.
func TestUnqueryable(t *testing.T) {
	t.Parallel()
	c := filled(t)
	child := []string{"table", "create", "LSST.Forced", "--schema", "(objectId BIGINT)", "--dir-table", "None",
		"--dir-col", "objectId"}
	const why = "its director LSST.None is not there"
	message := c.Fails(cli.ExitInvalid, child...)
	assert.Contains(t, message, "create table LSST.Forced: no czar can query it: "+why+"\n")
	assert.Contains(t, message, "--allow-unqueryable creates it nevertheless")
	before := saved(t, c.Ok("dump"))
	c.Ok(append(child, "--allow-unqueryable")...)
	assert.Regexp(t, `(?m)^no czar can query it: +`+why+`$`, c.Ok("table show LSST.Forced"))
	assert.Equal(t, why, clitest.JSON[tableDetails](c, "table", "show", "LSST.Forced").Unqueryable)
	assert.NotContains(t, c.Ok("table show LSST.Source"), "no czar")

	r := c.Run("db create LSST_3 --like LSST --with-tables")
	assert.Equal(t, cli.ExitOK, r.Code)
	assert.Contains(t, r.Stderr, "warning: LSST.Forced, and so is its copy: no czar can query it: "+why+"\n")
	c.Refuses(cli.ExitInvalid, "LSST.object_5 and LSST.Object: workers keep the chunks of the second",
		"table", "create", "LSST.object_5", "--schema", "(a INT)", "--allow-unqueryable")
	c.Ok("put /DBS/LSST/TABLES/object_5 READY") // past the rule
	after := saved(t, c.Ok("dump"))
	const forced = ": LSST.Forced: no czar can query it: " + why + "\n"
	assert.Contains(t, differs(c, before, before, "etcd"), "in etcd"+forced)
	c.Says("in both"+forced, "diff", after, "etcd")
	c.Says("in both: LSST.object_5: ", "diff", after, "etcd")
	assert.Len(t, clitest.JSON[diff.Result](c, "diff", after, "etcd").A.Unqueryable, 3)

	empty := onEtcd(t)
	r = empty.Run("restore", after)
	assert.Equal(t, cli.ExitOK, r.Code)
	assert.Contains(t, r.Stderr, "warning"+forced)
	assert.Equal(t, 3, strings.Count(r.Stderr, "warning: LSST"), r.Stderr)
	assert.Equal(t, c.Ok("dump"), empty.Ok("dump"))
}
