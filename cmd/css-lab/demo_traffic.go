package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/wait"
)

// demoPace is how often each czar gets a short query, and how long that lasts.
const demoPace = 100 * time.Millisecond

// traffic is short queries at all czars, of which some run at any time.
type traffic struct {
	czars []*demoCzar
	stop  func() // ends them; it may be called more than once
	err   error  // to be read after stop
	from  []int  // how many queries each czar had been asked for before
}

// startTraffic begins with short queries on a table.
func (d *demo) startTraffic(ctx context.Context, n cssetcd.TableName) *traffic {
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{czars: d.czars}
	for _, c := range d.czars {
		t.from = append(t.from, c.asked)
	}
	ended := make(chan struct{})
	t.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		t.err = t.ask(ctx, n)
	}()
	return t
}

// ask asks until ctx ends.
func (t *traffic) ask(ctx context.Context, n cssetcd.TableName) error {
	for {
		for _, c := range t.czars {
			if _, err := c.begin(n, demoPace); err != nil {
				return err
			}
		}
		if wait.For(ctx, demoPace) != nil {
			return nil
		}
	}
}

// tally counts what became of queries.
type tally struct {
	finished, failed, refused int
	first                     string // of those that failed or were refused: why
}

// run is how many were admitted.
func (t tally) run() int { return t.finished + t.failed }

func (t *tally) count(l czarLine) {
	switch l.Event {
	case queryFinished:
		t.finished++
		return
	case queryFailed:
		t.failed++
	case queryRefused:
		t.refused++
	default:
		return
	}
	if t.first == "" {
		t.first = l.Error
	}
}

// end stops the queries, waits until all have ended, and counts by table what became of those that were begun since the
// start.
func (t *traffic) end(ctx context.Context) (map[string]tally, error) {
	t.stop()
	if t.err != nil {
		return nil, t.err
	}
	counts := map[string]tally{}
	for i, c := range t.czars {
		err := await(ctx, fmt.Sprintf("the queries of %s", c.name), func(context.Context) (bool, error) {
			return c.outcomes(t.from[i], nil) == c.asked-t.from[i], c.ended()
		})
		if err != nil {
			return nil, err
		}
		c.outcomes(t.from[i], counts)
	}
	return counts, nil
}

// outcomes returns how many of the queries after a number have ended, and counts them by table unless counts is nil.
func (c *demoCzar) outcomes(from int, counts map[string]tally) (ended int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		if l.Query <= from || l.Event == queryAdmitted {
			continue
		}
		ended++
		if counts == nil {
			continue
		}
		t := counts[l.Tables[0]]
		t.count(l)
		counts[l.Tables[0]] = t
	}
	return ended
}
