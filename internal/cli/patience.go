package cli

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/stats"
)

// Answers notes when etcd answered last, with a part of an answer at least. It listens to the connections of a client.
type Answers struct{ Last atomic.Pointer[time.Time] }

// TagRPC implements [stats.Handler].
func (a *Answers) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements [stats.Handler].
func (a *Answers) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.InPayload); ok {
		a.Note()
	}
}

// TagConn implements [stats.Handler].
func (a *Answers) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements [stats.Handler].
func (a *Answers) HandleConn(context.Context, stats.ConnStats) {}

func (a *Answers) Note() {
	now := time.Now()
	a.Last.Store(&now)
}

// Patience returns a context that ends like one whose deadline is over when nothing was answered for so long: what
// takes its time while answers come goes on.
func (a *Answers) Patience(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	a.Note()
	c := &patient{Context: ctx, done: make(chan struct{})}
	canceled := make(chan struct{})
	go func() {
		reason := a.wait(ctx, canceled, most)
		c.reason.Store(&reason)
		close(c.done)
	}()
	var once sync.Once
	return c, func() {
		once.Do(func() { close(canceled) })
		<-c.done
	}
}

// wait returns why a context of patience ends.
func (a *Answers) wait(ctx context.Context, canceled <-chan struct{}, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-canceled:
			return context.Canceled
		case <-timer.C:
		}
		left := most - time.Since(*a.Last.Load())
		if left <= 0 {
			return context.DeadlineExceeded
		}
		timer.Reset(left)
	}
}

// patient is a context that ends for a reason of its own.
type patient struct {
	context.Context
	done   chan struct{}
	reason atomic.Pointer[error] // set before done is closed
}

// Done implements [context.Context].
func (c *patient) Done() <-chan struct{} { return c.done }

// Err implements [context.Context].
func (c *patient) Err() error {
	if reason := c.reason.Load(); reason != nil {
		return *reason
	}
	return nil
}
