package main

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPatienceLastsWhileAnswersCome: work that advances has no time-out, silence has.
func TestPatienceLastsWhileAnswersCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		ctx, cancel := a.patience(t.Context(), time.Second)
		defer cancel()
		child, stop := context.WithTimeout(ctx, time.Hour) // as etcd's client makes one of it
		defer stop()
		for range 20 {
			time.Sleep(900 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, ctx.Err())
			a.note()
		}
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		require.NoError(t, ctx.Err())
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		<-child.Done()
		require.ErrorIs(t, child.Err(), context.DeadlineExceeded)
	})
	synctest.Test(t, func(t *testing.T) {
		parent, interrupt := context.WithCancel(t.Context())
		ctx, cancel := new(answers).patience(parent, time.Second)
		defer cancel()
		interrupt()
		<-ctx.Done()
		require.ErrorIs(t, ctx.Err(), context.Canceled)
	})
}

// TestAnswersOfEtcdAreHeard: the client of a command tells what arrives.
func TestAnswersOfEtcdAreHeard(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.ok("db", "create", "D")
	p := c.program(io.Discard, io.Discard)
	require.Zero(t, p.connection.answers.last.Load())
	require.Equal(t, exitOK, p.run(t.Context(), []string{"version"}))
	assert.Zero(t, p.connection.answers.last.Load())
	require.Equal(t, exitOK, p.run(t.Context(), []string{"dump", "-o", t.TempDir() + "/css.json"})) // which has no limit of its own
	assert.NotNil(t, p.connection.answers.last.Load())
}
