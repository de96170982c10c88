package rig

import (
	"context"
	"errors"
	"fmt"
)

// Beside runs f, and something in the background as long. When that ends first, f's context ends for this reason.
func Beside(ctx context.Context, name string, background, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cancel(fmt.Errorf("%s ended: %w", name, background(ctx)))
	}()
	err := f(ctx)
	if errors.Is(err, context.Canceled) {
		err = context.Cause(ctx)
	}
	cancel(nil)
	<-ended
	return err
}
