package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/diff"
)

// A table that no czar can query is refused, and named by whoever finds it: when it is shown, restored or compared.
func TestUnqueryable(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	child := []string{"table", "create", "LSST.Forced", "--schema", "(objectId BIGINT)", "--dir-table", "None",
		"--dir-col", "objectId"}
	const why = "its director LSST.None is not there"
	message := c.fails(cli.ExitInvalid, child...)
	assert.Contains(t, message, "create table LSST.Forced: no czar can query it: "+why+"\n")
	assert.Contains(t, message, "--allow-unqueryable creates it nevertheless")
	before := saved(t, c.ok("dump"))
	c.ok(append(child, "--allow-unqueryable")...)
	assert.Regexp(t, `(?m)^no czar can query it: +`+why+`$`, c.ok("table", "show", "LSST.Forced"))
	assert.Equal(t, why, decode[tableDetails](t, c.ok("table", "show", "LSST.Forced", "-w", "json")).Unqueryable)
	assert.NotContains(t, c.ok("table", "show", "LSST.Source"), "no czar")

	r := c.run("db", "create", "LSST_3", "--like", "LSST", "--with-tables")
	assert.Equal(t, cli.ExitOK, r.code)
	assert.Contains(t, r.stderr, "warning: LSST.Forced, and so is its copy: no czar can query it: "+why+"\n")
	assert.Contains(t, c.fails(cli.ExitInvalid, "table", "create", "LSST.object_5", "--schema", "(a INT)",
		"--allow-unqueryable"),
		"LSST.object_5 and LSST.Object: workers keep the chunks of the second")
	c.ok("put", "/DBS/LSST/TABLES/object_5", "READY") // past the rule
	after := saved(t, c.ok("dump"))
	const forced = ": LSST.Forced: no czar can query it: " + why + "\n"
	assert.Contains(t, c.differs(before, before, "etcd"), "in etcd"+forced)
	assert.Contains(t, c.ok("diff", after, "etcd"), "in both"+forced)
	assert.Contains(t, c.ok("diff", after, "etcd"), "in both: LSST.object_5: ")
	assert.Len(t, decode[diff.Result](t, c.ok("diff", after, "etcd", "-w", "json")).A.Unqueryable, 3)

	empty := onEtcd(t)
	r = empty.run("restore", after)
	assert.Equal(t, cli.ExitOK, r.code)
	assert.Contains(t, r.stderr, "warning"+forced)
	assert.Equal(t, 3, strings.Count(r.stderr, "warning: LSST"), r.stderr)
	assert.Equal(t, c.ok("dump"), empty.ok("dump"))
}
