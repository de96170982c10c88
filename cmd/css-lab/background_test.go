package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what happens in a moment.
const patience = 20 * time.Second

// running is a command line that runs in the background.
type running struct {
	mu   sync.Mutex
	out  bytes.Buffer // both streams
	done chan int
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(b)
}

func (r *running) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// start runs a command line in process until ctx ends.
func (c *commandLine) start(ctx context.Context, args ...string) *running {
	r := &running{done: make(chan int, 1)}
	p := newProgram(strings.NewReader(""), r, r, func(name string) string { return c.environment[name] })
	go func() { r.done <- p.Run(ctx, args) }()
	return r
}

// await waits until the command has written a text.
func (r *running) await(t *testing.T, text string) {
	t.Helper()
	r.awaitN(t, text, 1)
}

func (r *running) awaitN(t *testing.T, text string, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Count(r.text(), text) >= n }, patience, 10*time.Millisecond,
		"%q does not appear in\n%s", text, &lazyText{r})
}

// lazyText is printed when a test has failed, with what was written by then.
type lazyText struct{ r *running }

func (l *lazyText) String() string { return l.r.text() }

func (r *running) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-r.done:
		return code
	case <-time.After(patience):
		t.Fatalf("it does not end:\n%s", r.text())
		return -1
	}
}
