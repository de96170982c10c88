package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/form"
)

func TestChunks(t *testing.T) {
	t.Parallel()
	c := filled(t)
	assert.Equal(t, "[]\n", c.OK("chunk list LSST.Object -w json"))
	assert.Regexp(t, `^chunk 6630 of LSST.Object added on worker-1, worker-2, revision \d+\n$`,
		c.OK("chunk add LSST.Object 6630 worker-1 worker-2"))
	c.OK("chunk add LSST.Object 57 worker-2")
	c.Refuses(cli.ExitInvalid, "the node worker-2 has a replica of the chunk", "chunk add LSST.Object 57 worker-2")
	c.Refuses(cli.ExitInvalid, "the table is not partitioned and has no chunks", "chunk add LSST.Filter 57 worker-2")
	c.Goldens("chunk-list", "chunk list LSST.Object")
	c.Goldens("chunk-show", "chunk show LSST.Object 6630")
	c.Refuses(cli.ExitError, "chunks have replicas on the node", "node delete worker-1")
	c.Refuses(cli.ExitError, "add chunk 58 of LSST.Object: no such node worker-9",
		"chunk add LSST.Object 58 worker-1 worker-9")
	c.Refuses(cli.ExitError, "read chunk 58 of LSST.Object: no such chunk", "chunk show LSST.Object 58")
	c.Refuses(cli.ExitError, "delete chunk 58 of LSST.Object: no such chunk", "chunk delete LSST.Object 58")
	c.Refuses(cli.ExitError, "read chunks of table LSST.Nothing: no such table", "chunk list LSST.Nothing")

	plant(c, keys{"/DBS/LSST/TABLES/Object/CHUNKS/57/REPLICAS/0000000001/.packed.json": "{}"})
	c.GoldenOf(cli.ExitError, "unreadable-chunk.txt", "chunk list LSST.Object")
	r := c.Run("chunk list LSST.Object -w json")
	assert.Equal(t, cli.ExitError, r.Code)
	assert.NotEmpty(t, clitest.Decode[[]form.Chunk](t, r.Stdout)[0].Error)

	assert.Regexp(t, `^chunk 57 of LSST.Object deleted, revision \d+\n$`, c.OK("chunk delete LSST.Object 57"))
	c.OK("chunk delete LSST.Object 6630")
	c.OK("node delete worker-1")
}

// TestChunksOfAFile are added together, and once.
func TestChunksOfAFile(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Stdin = "# ID NODE...\n6630 worker-1 worker-2\n\n  57\tworker-2\n"
	assert.Regexp(t, `^2 chunks of LSST.Object added, revision \d+\n$`, c.OK("chunk add LSST.Object --from -"))
	c.Golden("chunk-list", "chunk list LSST.Object")
	assert.Equal(t, "nothing to do: the nodes have the chunks already\n", c.OK("chunk add LSST.Object --from -"))
	for input, want := range map[string]string{
		"1 worker-1\n2\n":          "line 2: the chunk 2 is on no node; a line is ID NODE...",
		"1 worker-1\nx worker-1":   `line 2: "x" is not the id of a chunk, which is a number`,
		"1 worker-1\n1 worker-2":   "add chunks of LSST.Object: the chunk 1 is named twice",
		"1 worker-1\n-2 worker-2":  "add chunks of LSST.Object: chunk -2: must be 0 to 2147483647",
		"3 worker-1 worker-1\n":    "add chunks of LSST.Object: chunk 3: the node worker-1 is named twice",
		strings.Repeat("9", 2<<20): "line 1: bufio.Scanner: token too long",
	} {
		c.Stdin = input
		r := c.Run("chunk add LSST.Object --from -")
		assert.NotEqual(t, cli.ExitOK, r.Code)
		assert.Contains(t, r.Stderr, want)
	}
	c.Refuses(cli.ExitInvalid, `the chunks are those of -; leave out "7 worker-1"`,
		"chunk add LSST.Object 7 worker-1 --from -")
	c.Refuses(cli.ExitInvalid, "NODE is missing", "chunk add LSST.Object 7")
	c.Golden("chunk-list", "chunk list LSST.Object")
}
