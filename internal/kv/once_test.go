package kv_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/kv"
)

// appends is an operation that does something else each time that it is carried out.
func appends(key kv.Path) kv.Op {
	return kv.Op{Name: "append", Reads: []kv.Span{kv.Key(key)}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		return kv.Change{Puts: []kv.Put{{Path: key, Value: have.At(key).Value + "x"}}}, nil
	}}
}

func receipt(ctx context.Context, note string) (context.Context, *kv.Receipt) {
	r := &kv.Receipt{Path: "once/k", Note: note}
	return kv.WithReceipt(ctx, r), r
}

// TestRunOnce: many who ask for the same at one moment have it done once, and know when.
func TestRunOnce(t *testing.T) {
	t.Parallel()
	st := kv.NewMemory()
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 20 {
		wg.Go(func() {
			ctx, r := receipt(t.Context(), "this")
			rev, err := kv.RunOnce(ctx, st, appends("a"))
			if errors.Is(err, kv.ErrNoted) {
				return
			}
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			done++
			assert.Equal(t, rev, r.Revision)
		})
	}
	wg.Wait()
	assert.Equal(t, 1, done)
	have, err := st.Fetch(t.Context(), 0, kv.Key("a"))
	require.NoError(t, err)
	assert.Equal(t, "x", have.At("a").Value)
	note, rev, ok, err := kv.ReadNote(t.Context(), st, "once/k")
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, "this", note)
	assert.Equal(t, have.At("a").Mod, rev)
	_, _, ok, err = kv.ReadNote(t.Context(), st, "once/other")
	assert.NoError(t, err)
	assert.False(t, ok)
}

// TestNothingIsNoted, too: what had nothing to do has none later. What failed is not noted.
func TestNothingIsNoted(t *testing.T) {
	t.Parallel()
	for _, plan := range []error{kv.ErrNothing, nil} {
		st := kv.NewMemory()
		ctx, r := receipt(t.Context(), "this")
		op := kv.Op{Name: "nothing", Plan: func(*kv.Snapshot) (kv.Change, error) { return kv.Change{}, plan }}
		_, err := kv.RunOnce(ctx, st, op)
		assert.ErrorIs(t, err, plan)
		assert.Zero(t, r.Revision)
		note, rev, ok, err := kv.ReadNote(t.Context(), st, "once/k")
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, "this", note)
		assert.Zero(t, rev)
		_, err = kv.RunOnce(ctx, st, appends("a"))
		assert.ErrorIs(t, err, kv.ErrNoted)
	}
	st := kv.NewMemory()
	ctx, _ := receipt(t.Context(), "this")
	fault := errors.New("fault")
	_, err := kv.RunOnce(ctx, st, kv.Op{Plan: func(*kv.Snapshot) (kv.Change, error) { return kv.Change{}, fault }})
	assert.ErrorIs(t, err, fault)
	_, err = kv.RunOnce(ctx, st, appends("a"))
	assert.NoError(t, err)
}
