package cli

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPatienceLastsWhileAnswersCome: work that advances has no time-out, silence has.
func TestPatienceLastsWhileAnswersCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Answers
		ctx, cancel := a.Patience(t.Context(), time.Second)
		defer cancel()
		child, stop := context.WithTimeout(ctx, time.Hour) // as etcd's client makes one of it
		defer stop()
		for range 20 {
			time.Sleep(900 * time.Millisecond)
			synctest.Wait()
			require.NoError(t, ctx.Err())
			a.Note()
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
		ctx, cancel := new(Answers).Patience(parent, time.Second)
		defer cancel()
		interrupt()
		<-ctx.Done()
		require.ErrorIs(t, ctx.Err(), context.Canceled)
	})
}
