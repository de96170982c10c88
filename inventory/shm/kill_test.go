package shm_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qserv/css-etcd/inventory/shm"
)

// A process of these tests with this variable is a writer of the block that it names.
const writes = "CSS_TEST_WRITES_BLOCK"

func init() {
	if path := os.Getenv(writes); path != "" {
		fmt.Fprintln(os.Stderr, writeForEver(path))
		os.Exit(1)
	}
}

func writeForEver(path string) error {
	w, err := shm.OpenWriter(path, worker, 0o644)
	if err != nil {
		return err
	}
	rev := int64(time.Now().UnixNano() / 1000)
	for first := true; ; rev++ {
		if err := w.Write(held(rev), time.Now()); err != nil {
			return err
		}
		if first {
			fmt.Println("writes")
		}
		first = false
	}
}

// rounds is how many writers are killed. SOAK=1 makes it 2,000.
func rounds() int {
	if os.Getenv("SOAK") != "" {
		return 2000
	}
	return 100
}

// Rule: a writer may be killed at any moment. Readers in C and in Go, which go on all the time, read whole images only
// and wait for nobody, and the next writer finds no lock.
func TestWritersAreKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, reader := filepath.Join(dir, "block"), filepath.Join(dir, "shm-reader")
	out, err := exec.CommandContext(t.Context(), "gcc", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", reader,
		"../../examples/shm-reader/shm-reader.c").CombinedOutput()
	require.NoError(t, err, "%s", out)
	w, err := shm.OpenWriter(path, worker, 0o644)
	require.NoError(t, err)
	require.NoError(t, w.Write(held(1), time.Now()))
	require.NoError(t, w.Close())

	var inC []*cReader
	for range 4 {
		inC = append(inC, startC(t, reader, path))
	}
	stop := make(chan struct{})
	var inGo sync.WaitGroup
	var read, moved atomic.Int64
	for range 4 {
		r := openReader(t, path)
		inGo.Go(func() { readOn(t, r, stop, &read, &moved) })
	}
	for range rounds() {
		killAWriter(t, path)
	}
	close(stop)
	inGo.Wait()
	assert.Greater(t, moved.Load(), int64(rounds()), "the writers wrote")
	t.Logf("Go: %d images read, %d of them new", read.Load(), moved.Load())
	for _, c := range inC {
		t.Log("C: " + c.end(t))
	}
	r := openReader(t, path)
	i, err := r.Image()
	require.NoError(t, errors.Join(err, whole(i)))
	there := uint32(i.Revision) & (1<<31 - 1)
	last := openWriter(t, path)
	for _, c := range []struct {
		db    string
		chunk uint32
		code  int
	}{{"LSST", there, 0}, {"LSST", there + 1, 1}, {"x", there, 0}, {"y", there, 1}} {
		last.Confirm(time.Now())
		assert.Equal(t, c.code, inCode(t, reader, path, c.db, fmt.Sprint(c.chunk)), c.db, c.chunk)
	}
	last.Confirm(time.Now().Add(-time.Minute))
	assert.Equal(t, 3, inCode(t, reader, path, "LSST", fmt.Sprint(there)), "what nobody confirms is not known")
	assert.Equal(t, 2, inCode(t, reader, reader, "LSST", "1"))
	for _, bad := range []string{"4294967297", "-1", "1x", "", "2147483648"} {
		assert.Equal(t, 2, inCode(t, reader, path, "LSST", bad), bad)
	}
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	assert.Equal(t, 2, inCode(t, reader, pipe, "LSST", "1"))
	_, err = shm.OpenReader(pipe)
	assert.ErrorIs(t, err, shm.ErrNotBlock)
	assert.Equal(t, 2, inCode(t, reader, path+"x", "LSST", "1"))
	assert.Equal(t, 2, inCode(t, reader))
}

// inCode is the exit code of the reader in C.
func inCode(t *testing.T, args ...string) int {
	t.Helper()
	err := exec.CommandContext(t.Context(), args[0], args[1:]...).Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return ended.ExitCode()
	}
	require.NoError(t, err)
	return 0
}

func readOn(t *testing.T, r *shm.Reader, stop <-chan struct{}, read, moved *atomic.Int64) {
	for last := int64(0); ; read.Add(1) {
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Microsecond): // eight readers share what cores there are with the writer
		}
		i, err := r.Image()
		if !assert.NoError(t, errors.Join(err, whole(i))) {
			return
		}
		if i.Revision != last {
			last = i.Revision
			moved.Add(1)
		}
	}
}

// killAWriter starts a process that writes, and kills it a moment later.
func killAWriter(t *testing.T, path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writes+"="+path)
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(said, make([]byte, len("writes\n")))
	time.Sleep(rand.N(3 * time.Millisecond))
	require.NoError(t, cmd.Process.Kill())
	ended := cmd.Wait()
	require.NoError(t, err, "the writer could not open the block: %v", ended)
}

// cReader is a reader in C that goes on until its input ends.
type cReader struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	said  *output
}

type output struct{ text []byte }

func (o *output) Write(b []byte) (int, error) { o.text = append(o.text, b...); return len(b), nil }

func startC(t *testing.T, program, path string) *cReader {
	t.Helper()
	c := &cReader{cmd: exec.CommandContext(t.Context(), program, path), said: &output{}}
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.said
	var err error
	c.input, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	return c
}

// end ends it, and returns what it says of what it read.
func (c *cReader) end(t *testing.T) string {
	t.Helper()
	require.NoError(t, c.input.Close())
	require.NoError(t, c.cmd.Wait(), "%s", c.said.text)
	require.Regexp(t, `^\d+ images read, \d+ of them new, none torn\n$`, string(c.said.text))
	return string(c.said.text)
}
