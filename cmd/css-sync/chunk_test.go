package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
)

func TestChunks(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	c := onServer(t, server)
	fill(c)
	assert.Equal(t, "[]\n", c.ok("chunk", "list", "LSST.Object", "-w", "json"))
	assert.Regexp(t, `^chunk 6630 of LSST.Object added on worker-1, worker-2, revision \d+\n$`,
		c.ok("chunk", "add", "LSST.Object", "6630", "worker-1", "worker-2"))
	c.ok("chunk", "add", "LSST.Object", "57", "worker-2")
	assert.Contains(t, c.fails(cli.ExitInvalid, "chunk", "add", "LSST.Object", "57", "worker-2"),
		"the node worker-2 has a replica of the chunk")
	assert.Contains(t, c.fails(cli.ExitInvalid, "chunk", "add", "LSST.Filter", "57", "worker-2"),
		"the table is not partitioned and has no chunks")
	for name, args := range map[string][]string{
		"chunk-list": {"chunk", "list", "LSST.Object"},
		"chunk-show": {"chunk", "show", "LSST.Object", "6630"},
	} {
		golden(t, name+".txt", c.ok(args...))
		golden(t, name+".json", c.ok(append(args, "-w", "json")...))
	}
	assert.Contains(t, c.fails(cli.ExitError, "node", "delete", "worker-1"), "chunks have replicas on the node")
	assert.Contains(t, c.fails(cli.ExitError, "chunk", "add", "LSST.Object", "58", "worker-1", "worker-9"),
		"add chunk 58 of LSST.Object: no such node worker-9")
	assert.Contains(t, c.fails(cli.ExitError, "chunk", "show", "LSST.Object", "58"),
		"read chunk 58 of LSST.Object: no such chunk")
	assert.Contains(t, c.fails(cli.ExitError, "chunk", "delete", "LSST.Object", "58"),
		"delete chunk 58 of LSST.Object: no such chunk")
	assert.Contains(t, c.fails(cli.ExitError, "chunk", "list", "LSST.Nothing"),
		"read chunks of table LSST.Nothing: no such table")

	plant(t, server, keys{"/DBS/LSST/TABLES/Object/CHUNKS/57/REPLICAS/0000000001/.packed.json": "{}"})
	r := c.run("chunk", "list", "LSST.Object")
	assert.Equal(t, cli.ExitError, r.code)
	golden(t, "unreadable-chunk.txt", r.stdout+r.stderr)
	r = c.run("chunk", "list", "LSST.Object", "-w", "json")
	assert.Equal(t, cli.ExitError, r.code)
	assert.NotEmpty(t, decode[[]chunkView](t, r.stdout)[0].Error)

	assert.Regexp(t, `^chunk 57 of LSST.Object deleted, revision \d+\n$`, c.ok("chunk", "delete", "LSST.Object", "57"))
	c.ok("chunk", "delete", "LSST.Object", "6630")
	c.ok("node", "delete", "worker-1")
}

// TestChunksOfAFile are added together, and once.
func TestChunksOfAFile(t *testing.T) {
	t.Parallel()
	c := onServer(t, startEtcd(t))
	fill(c)
	c.stdin = "# ID NODE...\n6630 worker-1 worker-2\n\n  57\tworker-2\n"
	assert.Regexp(t, `^2 chunks of LSST.Object added, revision \d+\n$`, c.ok("chunk", "add", "LSST.Object", "--from", "-"))
	golden(t, "chunk-list.txt", c.ok("chunk", "list", "LSST.Object"))
	assert.Equal(t, "nothing to do: the nodes have the chunks already\n",
		c.ok("chunk", "add", "LSST.Object", "--from", "-"))
	for input, want := range map[string]string{
		"1 worker-1\n2\n":          "line 2: the chunk 2 is on no node; a line is ID NODE...",
		"1 worker-1\nx worker-1":   `line 2: "x" is not the id of a chunk, which is a number`,
		"1 worker-1\n1 worker-2":   "add chunks of LSST.Object: the chunk 1 is named twice",
		"1 worker-1\n-2 worker-2":  "add chunks of LSST.Object: chunk -2: must be 0 to 2147483647",
		"3 worker-1 worker-1\n":    "add chunks of LSST.Object: chunk 3: the node worker-1 is named twice",
		strings.Repeat("9", 2<<20): "line 1: bufio.Scanner: token too long",
	} {
		c.stdin = input
		r := c.run("chunk", "add", "LSST.Object", "--from", "-")
		assert.NotEqual(t, cli.ExitOK, r.code)
		assert.Contains(t, r.stderr, want)
	}
	assert.Contains(t, c.fails(cli.ExitInvalid, "chunk", "add", "LSST.Object", "7", "worker-1", "--from", "-"),
		`the chunks are those of -; leave out "7 worker-1"`)
	assert.Contains(t, c.fails(cli.ExitInvalid, "chunk", "add", "LSST.Object", "7"), "NODE is missing")
	golden(t, "chunk-list.txt", c.ok("chunk", "list", "LSST.Object"))
}
