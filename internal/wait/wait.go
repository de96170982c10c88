// Package wait lets time pass, unless a context ends first.
package wait

import (
	"context"
	"math/rand/v2"
	"time"
)

// For returns after d, or with the context's error as soon as that ends. It does not wait when d is not positive.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// UpTo waits as [For] does, for between half and all of d, so that those who wait for the same do not meet again.
func UpTo(ctx context.Context, d time.Duration) error { return For(ctx, d/2+rand.N(d/2+1)) }

// Over reports whether ctx has ended or its deadline has passed. Connections end at a deadline, too, and say so a
// moment before ctx does.
func Over(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && !time.Now().Before(deadline)
}
