package wait_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/wait"
)

func TestForWaitsUnlessTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		assert.NoError(t, wait.For(t.Context(), time.Minute))
		assert.Equal(t, time.Minute, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.NoError(t, wait.For(ctx, 0))
		began = time.Now()
		assert.ErrorIs(t, wait.For(ctx, time.Minute), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(began))
		assert.ErrorIs(t, wait.For(ctx, -1), context.DeadlineExceeded, "an ended context is an error without any wait, too")
	})
}

func TestUpToWaitsForHalfAtLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 1000 {
			began := time.Now()
			assert.NoError(t, wait.UpTo(t.Context(), time.Minute))
			took := time.Since(began)
			assert.True(t, took >= time.Minute/2 && took <= time.Minute, "%s", took)
		}
	})
}

// Rule: at its deadline a context is over, be its error there yet or not.
func TestOverIsAtTheDeadline(t *testing.T) {
	assert.False(t, wait.Over(t.Context()))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	assert.True(t, wait.Over(ended))
	assert.True(t, wait.Over(late{t.Context(), time.Now()}))
	assert.False(t, wait.Over(late{t.Context(), time.Now().Add(time.Hour)}))
}

// late is a context that does not know yet that its deadline has passed.
type late struct {
	context.Context
	deadline time.Time
}

func (l late) Deadline() (time.Time, bool) { return l.deadline, true }
