package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/mirror"
)

// Rule: a kvData that others write is taken into etcd and left to them again, and each step says what follows.
func TestImportAndExport(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.OK("mirror --once") // what upstream would have left
	c.OK("export mysql")
	c.Refuses(cli.ExitError, "another catalogue ... was left to MySQL ... import mysql --overwrite", "mirror --once")

	clitest.Execute(t, server, inserting("/DBS/Theirs", "READY"))
	c.Says("a catalogue can hold all of them", "import mysql --overwrite --dry-run")
	c.Refuses(cli.ExitError, "not empty ... --overwrite", "import mysql")
	c.Says("both sides write from now on: start `css-sync serve`", "import mysql --overwrite")
	c.Says("Theirs", "db list")
	c.Refuses(cli.ExitError, "both sides write already", "import mysql")
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
