package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/mirror"
)

// Rule: a kvData that others write is taken into etcd and left to them again, and each step says what follows.
func TestImportAndExport(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.OK("mirror --once")                     // what upstream would have left
	c.OK("table drop LSST.Filter --delay 1h") // nobody carries it out
	c.Refuses(cli.ExitError, "drops are under way ... LSST.Filter ... drops wait", "export mysql")
	c.OK("drops cancel LSST.Filter")
	c.OK("mirror --once")
	c.OK("export mysql")
	left := c.Run("status").Stdout
	assert.Regexp(t, `may write: +who writes into kvData; nothing comes to etcd\n`, left)
	assert.Regexp(t, `TROUBLE: +left_to_mysql: `, left)
	c.Says("may write: ... was left to those who write into MySQL", "mirror --capture status")
	assert.Equal(t, mirror.OnlyMySQL, clitest.JSON[report.Sides](c, "mirror", "--capture", "status").Writers)
	c.Refuses(cli.ExitError, "left to those who write into MySQL ... import mysql --overwrite", "mirror --capture install")
	c.Says("nothing to do: kvData was left", "mirror --capture remove")
	c.Refuses(cli.ExitError, "kvData was left to those who write into MySQL ... import mysql --overwrite", "mirror --once")

	clitest.Execute(t, server, inserting("/DBS/Theirs", "READY"))
	c.Says("a catalogue can hold all of them", "import mysql --overwrite --dry-run")
	c.Refuses(cli.ExitError, "not empty ... --overwrite", "import mysql")
	c.Says("both sides write from now on: start `css-sync serve`", "import mysql --overwrite")
	c.Says("Theirs", "db list")
	c.Says("nothing to do: both sides write already", "import mysql")
	assert.False(t, clitest.JSON[importView](c, "import", "mysql", "--overwrite").Changed)
	clitest.Execute(t, server, "UPDATE kvData SET kvVal = 'DO_NOT_USE' WHERE kvKey = '/DBS/Theirs'")
	c.OK("mirror --once")
	c.Says("DO_NOT_USE", "get /DBS/Theirs")
	assert.Equal(t, mirror.BothSides, statusOf(c).Mirrors[0].Writers)
	v := clitest.JSON[exportView](c, "export mysql")
	assert.Positive(t, v.Revision)
	assert.Empty(t, v.Newer)
	c.Refuses(cli.ExitInvalid, "--wait", "export mysql --wait 0s")
	c.Refuses(cli.ExitInvalid, "--wait", "import mysql --wait 0s")
}
