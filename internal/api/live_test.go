package api

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhoLeavesDoesNotSpoilTheAnswerOfOthers: it is kept for everybody, and asked for to its end.
func TestWhoLeavesDoesNotSpoilTheAnswerOfOthers(t *testing.T) {
	t.Parallel()
	var s shared
	left, leave := context.WithCancel(t.Context())
	leave()
	for _, ctx := range []context.Context{left, t.Context()} {
		body, err := s.get(ctx, func(ctx context.Context) (any, error) { return ctx.Err(), nil })
		require.NoError(t, err)
		assert.Nil(t, body)
	}
}
