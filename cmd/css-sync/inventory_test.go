package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/inventory/shm"
)

func TestInventoryUsage(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	const publish, source = "inventory publish --worker w ", "inventory publish --worker w --from-command x "
	elsewhere(t).RefusesAll(cli.ExitInvalid, map[string]string{
		"inventory publish":                               "say with --worker for which worker",
		publish:                                           "say with one of --from-dsn, --from-dsn-file and --from-command",
		publish + "--from-dsn x":                          "--from-dsn: it is neither of the form",
		publish + "--from-dsn u@/":                        "--from-dsn: it names no schema; give the one that",
		publish + "--from-dsn-file " + empty:              "--from-dsn-file: the file is empty",
		publish + "--from-dsn-file /no/such":              "--from-dsn-file: open /no/such: no such file",
		publish + "--from-dsn u@/d --from-command x":      "--from-dsn and --from-command are mutually exclusive",
		source + "--ttl 1s":                               "--ttl is 1s and must be whole seconds, 2 at least",
		source + "--ttl 2500ms":                           "--ttl is 2.5s and must be whole seconds, 2 at least",
		source + "--every 1ms":                            "--every is 1ms and must be at least 100ms",
		source + "--every 6s":                             "--every is 6s and must be at most half of --ttl, 5s",
		"inventory serve-shm --worker a/b":                `worker "a/b" contains a slash`,
		"inventory publish --worker a/b --from-command x": `worker "a/b" contains a slash`,
		"inventory serve-shm":                             "say with --worker whose inventory",
		"inventory serve-shm --worker w --file x":         `--file is "x" and must begin with a slash`,
		"inventory show":                                  "WORKER is missing",
		"inventory missing LSST x":                        `unexpected argument "x"`,
		"inventory list --css " + empty:                   "--css",
	})
}

// beside is a worker whose program says what it serves, and what runs beside it.
type beside struct {
	*clitest.CommandLine
	name, says string
}

func newBeside(c *clitest.CommandLine, name string) *beside {
	c.T.Helper()
	dir := c.T.TempDir()
	b := &beside{CommandLine: c, name: name, says: filepath.Join(dir, "says")}
	b.serves("")
	require.NoError(c.T, os.WriteFile(b.program(), []byte("#!/bin/sh\ncat "+b.says+"\n"), 0o700))
	return b
}

func (b *beside) program() string { return filepath.Join(filepath.Dir(b.says), "program") }

func (b *beside) serves(lines string) {
	b.T.Helper()
	require.NoError(b.T, os.WriteFile(b.says+".new", []byte(lines), 0o600))
	require.NoError(b.T, os.Rename(b.says+".new", b.says))
}

func (b *beside) publish() *clitest.Process {
	b.T.Helper()
	p := b.Process("inventory", "publish", "--worker", b.name, "--from-command", b.program(), "--every", "100ms",
		"--ttl", "6s") // a machine that stalls must not be taken for a dead worker
	p.Await(`msg="css-sync publishes the inventory of a worker"`)
	return p
}

func (b *beside) shows(want string) {
	b.T.Helper()
	last := ""
	clitest.Await(b.T, func() bool {
		last = b.Run("inventory", "show", b.name, "LSST").Stdout
		return last == want
	}, &last)
}

// TestInventory is what an operator sees of workers that come, change, are killed and cannot be asked.
func TestInventory(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.OK("chunk add LSST.Object 57 worker-1")
	assert.Equal(t, []form.Worker{{Name: "worker-1", Databases: []form.ServedSet{}}, {Name: "worker-2",
		Databases: []form.ServedSet{}}}, clitest.JSON[[]form.Worker](c, "inventory list"))
	c.Refuses(cli.ExitError, "no such worker is alive: not found: worker-1", "inventory show worker-1")
	w := newBeside(c, "worker-1")
	w.serves("LSST 57-58\nother 5\nnew none\n")
	first := w.publish()
	w.shows("57-58\n")
	c.Refuses(cli.ExitError, "the worker serves nothing of it: not found: database x of worker worker-1",
		"inventory show worker-1 x")
	list := clitest.JSON[[]form.Worker](c, "inventory list")
	require.Len(t, list, 2)
	assert.True(t, list[0].Alive)
	assert.WithinDuration(t, time.Now(), *list[0].Since, time.Minute)
	assert.NotEmpty(t, list[0].Process)
	assert.Regexp(t, `(?m)^WORKER +ALIVE +DATABASES +CHUNKS +PUBLISHED BY\nworker-1 +yes +3 +3 +\S.*\nworker-2 +no [ -]*$`,
		c.OK("inventory list"))
	assert.Regexp(t, `(?m)^DATABASE +COUNT +CHUNKS\nLSST +2 +57-58\nnew +0 +none\nother +1 +5$`, c.OK("inventory show worker-1"))
	c.Refuses(cli.ExitDifferences, "differences found: 2 databases of workers are not served as they are placed",
		"inventory missing")
	c.Refuses(cli.ExitDifferences, "1 database of a worker is not served as it is placed", "inventory missing LSST")
	c.Refuses(cli.ExitError, "no such database", "inventory missing x")
	c.GoldenOf(cli.ExitDifferences, "inventory-missing", "inventory missing")
	c.GoldenOf(cli.ExitDifferences, "inventory-missing-json", "inventory missing -w json")

	w.serves("LSST 57,60-70\n")
	w.shows("57,60-70\n")
	second := w.publish()
	second.Await("standing by")
	w.serves("LSST")
	first.Await("it is not known what the worker serves")
	clitest.Await(t, func() bool { // one hands it to the other, which knows no more
		r := c.Run("inventory show worker-1 -w json")
		return r.Code == cli.ExitOK && len(clitest.Decode[form.Worker](t, r.Stdout).Databases) == 0
	})
	w.serves("LSST 57\n")
	first.Await("it is known again what the worker serves")
	w.shows("57\n")
	c.OK("inventory missing LSST")

	first.Signal(syscall.SIGKILL)
	second.Await("this process publishes the inventory of the worker")
	w.shows("57\n")
	second.Stop()
	c.Refuses(cli.ExitError, "no such worker is alive", "inventory show worker-1")
}

// TestInventoryInSharedMemory is kept equal to etcd, over the death of what keeps it.
func TestInventoryInSharedMemory(t *testing.T) {
	t.Parallel()
	c := filled(t)
	w := newBeside(c, "worker-1")
	w.serves("LSST 57-58\n")
	w.publish()
	w.shows("57-58\n")
	file := filepath.Join(t.TempDir(), "block")
	keep := func() *clitest.Process {
		k := c.Process("inventory", "serve-shm", "--worker", "worker-1", "--file", file)
		k.Await(`msg="css-sync keeps the inventory of a worker in shared memory"`)
		return k
	}
	first := keep()
	r, err := shm.OpenReader(file)
	require.NoError(t, err)
	defer r.Close()
	holds := func(want string) {
		t.Helper()
		last := ""
		clitest.Await(t, func() bool {
			i, err := r.Image()
			require.NoError(t, err)
			last = fmt.Sprint(i.Sets)
			return last == want
		}, &last)
	}
	holds("map[LSST:57-58]")
	assert.WithinDuration(t, time.Now(), r.Confirmed(), 10*time.Second)
	c.Refuses(cli.ExitError, "another process writes the block", "inventory serve-shm --worker worker-1 --file "+file)
	w.serves("LSST 57\nother 3\n")
	holds("map[LSST:57 other:3]")
	first.Signal(syscall.SIGKILL)
	first.Wait()
	c.Refuses(cli.ExitError, "it is of worker", "inventory serve-shm --worker worker-2 --file "+file)
	w.serves("LSST 99\n")
	second := keep()
	holds("map[LSST:99]")
	require.NoError(t, os.Remove(file))
	clitest.Await(t, func() bool {
		again, err := shm.OpenReader(file)
		if err != nil {
			return false
		}
		defer again.Close()
		found, err := again.Contains("LSST", 99)
		return err == nil && found
	})
	second.Stop()
}
