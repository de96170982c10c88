package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/report"
)

func TestEmptyChunks(t *testing.T) {
	t.Parallel()
	c := filled(t)
	assert.Equal(t, "[]\n", c.OK("chunk empty list -w json"))
	c.Refuses(cli.ExitError, "read empty chunks of database LSST: nobody has said which chunks of the database are empty",
		"chunk empty show LSST")
	assert.Contains(t, c.Run("chunk empty show LSST").Stderr, "hint: `css-sync chunk empty set` says which these are")
	c.Refuses(cli.ExitError, "add empty chunks to database LSST: nobody has said which chunks", "chunk empty add LSST 1")
	c.Refuses(cli.ExitError, "set empty chunks of database Nothing: no such database", "chunk empty set Nothing 1")
	assert.Equal(t, "nothing to do: nobody has said which chunks of LSST are empty\n", c.OK("chunk empty forget LSST"))
	assert.Regexp(t, `^empty chunks of LSST set to 313 chunks, revision \d+\n$`, c.OK("chunk empty set LSST 0-311,313"))
	assert.Equal(t, "nothing to do: these are the empty chunks of LSST already\n",
		c.OK("chunk empty set LSST 313,0-311"))
	assert.Regexp(t, `^3 chunks added to the empty ones of LSST, revision`, c.OK("chunk empty add LSST 400-402"))
	assert.Equal(t, "nothing to do: all of them are empty in LSST already\n", c.OK("chunk empty add LSST 401"))
	assert.Regexp(t, `^1 chunk taken out of the empty ones of LSST, revision`, c.OK("chunk empty remove LSST 7"))
	assert.Equal(t, "nothing to do: none of them is empty in LSST\n", c.OK("chunk empty remove LSST 7"))
	assert.Equal(t, "0-6,8-311,313,400-402\n", c.OK("chunk empty show LSST"))
	c.OK("db create Copy --like LSST --with-empty-chunks")
	c.OK("chunk empty set Copy none")
	assert.Equal(t, "none\n", c.OK("chunk empty show Copy"))
	c.Goldens("chunk-empty-list", "chunk empty list")
	shown := clitest.Decode[form.EmptyChunks](t, c.OK("chunk empty show LSST -w json"))
	assert.Equal(t, "0-6,8-311,313,400-402", shown.Chunks.String())
	assert.Equal(t, 315, shown.Count)

	for arg, want := range map[string]string{
		"3-1": `"3-1" is neither an id`,
		"x":   `"x" is neither an id`, "1,": `"" is neither an id`, "0-2147483647": "a set has at most 16777216",
	} {
		c.Refuses(cli.ExitInvalid, want, "chunk empty set LSST "+arg)
	}
	c.Refuses(cli.ExitInvalid, "CHUNKS is missing", "chunk empty add LSST")
	c.Refuses(cli.ExitInvalid, "--with-empty-chunks needs --like", "db create X --with-empty-chunks")
	assert.Equal(t, "0-6,8-311,313,400-402\n", c.OK("chunk empty show LSST"))
	assert.Contains(t, c.OK("log LSST"), "empty chunks of LSST: 3 more (400-402)")
	assert.Contains(t, c.OK("log LSST"), "empty chunks of LSST: 1 fewer (7)")
}

// TestEmptyChunksOfAFile replace what was said; a file that has none, or is wrong anywhere, changes nothing.
func TestEmptyChunksOfAFile(t *testing.T) {
	t.Parallel()
	c := filled(t)
	path := filepath.Join(t.TempDir(), "emptyChunks_LSST.txt")
	require.NoError(t, os.WriteFile(path, []byte("# of Qserv\n5\n\n 4\r\n0-2,9\n"), 0o600))
	assert.Regexp(t, `^empty chunks of LSST set to 6 chunks, revision`, c.OK("chunk empty import LSST "+path))
	assert.Equal(t, "0-2,4-5,9\n", c.OK("chunk empty show LSST"))
	for input, want := range map[string]string{
		"":            "there is no chunk in it; if none is empty, say so with `chunk empty set`",
		"# only\n":    "there is no chunk in it",
		"1\n2\nthree": `line 3: not a set of chunk ids: "three" is neither an id`,
		"1 2\n":       `line 1: not a set of chunk ids: "1 2"`,
		"-1":          `line 1: not a set of chunk ids: "-1"`,
	} {
		c.Stdin = input
		r := c.Run("chunk empty import LSST -")
		assert.Equal(t, cli.ExitInvalid, r.Code)
		assert.Contains(t, r.Stderr, want)
	}
	assert.Equal(t, "0-2,4-5,9\n", c.OK("chunk empty show LSST"))
}

// TestEmptyChunksInDumps: a dump has them, restore takes them, and diff shows where they differ.
func TestEmptyChunksInDumps(t *testing.T) {
	t.Parallel()
	c := filled(t)
	before := filepath.Join(t.TempDir(), "before.json")
	assert.Equal(t, cli.ExitOK, c.Run("dump -o "+before).Code)
	c.OK("chunk empty set LSST 1-3")
	dump := c.OK("dump")
	assert.Contains(t, dump, `"css_empty\/LSST": "1-3"`)
	r := c.Run("diff " + before + " etcd")
	assert.Equal(t, cli.ExitDifferences, r.Code)
	assert.Contains(t, r.Stdout, "css_empty/LSST")
	to := onEtcd(t)
	to.Stdin = dump
	to.OK("restore -")
	assert.Equal(t, dump, to.OK("dump"))
	assert.Equal(t, "1-3\n", to.OK("chunk empty show LSST"))
	to.Stdin = strings.Replace(dump, "1-3", "3-1", 1)
	to.Refuses(cli.ExitInvalid, `css_empty/LSST: not a set of chunk ids: "3-1"`, "restore - --overwrite")
	assert.Equal(t, dump, to.OK("dump"))
}

// TestEmptyChunksInMySQL: mirror --once keeps the tables, check and diff compare them, and repair brings them back.
func TestEmptyChunksInMySQL(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.OK("chunk empty set LSST 0-311,313")
	c.Golden("mirror-dry-run-empty", "mirror --dry-run")
	c.Golden("mirror-once-empty", "mirror --once")
	c.Says("nothing had to be changed", "mirror --once")
	c.Says("empty chunks of 1 database compared, no difference", "check")
	c.OK("diff etcd mysql")

	clitest.Execute(t, server, "UPDATE LSST_EmptyChunks SET chunkId = 314 WHERE chunkId = 313",
		"CREATE TABLE Plain_EmptyChunks (chunkId INT NOT NULL PRIMARY KEY)")
	c.GoldenOf(cli.ExitDifferences, "check-empty.txt", "check")
	v := clitest.JSONOf[report.Comparison](c, cli.ExitDifferences, "check")
	n := 313
	assert.Equal(t, []report.EmptyDifference{{Database: "LSST", InMySQL: &n, InEtcd: &n, OnlyMySQL: "314",
		OnlyEtcd: "313", Action: "write"}}, v.EmptyChunks)
	assert.Equal(t, []string{"DELETE FROM `LSST_EmptyChunks` WHERE chunkId IN (314);",
		"INSERT INTO `LSST_EmptyChunks` (chunkId) VALUES (313);"}, printedSQL(c))
	r := c.Run("diff etcd mysql")
	assert.Equal(t, cli.ExitDifferences, r.Code)
	assert.NotContains(t, r.Stdout, "css_empty/Plain", "etcd says nothing of it, and the table is left alone")
	assert.Contains(t, r.Stdout, "css_empty/LSST")
	assert.Equal(t, cli.ExitOK, c.Run("check --repair").Code)
	c.Says("empty chunks of 2 databases compared, no difference", "check")
	c.OK("diff etcd mysql")
	clitest.Execute(t, server, "DROP TABLE Plain_EmptyChunks")

	c.OK("mirror --capture install")
	clitest.Execute(t, server, "DROP TABLE LSST_EmptyChunks",
		"CREATE TABLE Plain_EmptyChunks (chunkId INT NOT NULL PRIMARY KEY)", "INSERT INTO Plain_EmptyChunks VALUES (5), (6)")
	assert.Contains(t, c.OK("mirror --once"), "etcd follows")
	assert.Equal(t, "5-6\n", c.OK("chunk empty show Plain"))
	c.Refuses(cli.ExitError, "nobody has said which chunks of the database are empty", "chunk empty show LSST")
	clitest.Execute(t, server, "INSERT INTO Plain_EmptyChunks VALUES (7)")
	r = c.Run("check --repair")
	assert.Equal(t, cli.ExitOK, r.Code, r.Stderr)
	assert.Equal(t, "5-7\n", c.OK("chunk empty show Plain"))
}
