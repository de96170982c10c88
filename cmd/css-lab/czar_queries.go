package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

// czarQueries are the queries of one czar.
type czarQueries struct {
	*czarRun
	gate    *deletion.Gate // nil: nobody is asked
	workers czarWorkers

	running sync.WaitGroup
	invalid int // lines that were no queries
	mu      sync.Mutex
	err     error // the first of writing lines
}

// openQueries registers the czar.
func (c *czarRun) openQueries(ctx context.Context, css *cli.Catalogue, flags *czarFlags) (*czarQueries, error) {
	q := &czarQueries{czarRun: c}
	var err error
	if q.workers, err = openWorkers(flags.workers.Servers); err != nil {
		return nil, err
	}
	if flags.noGate {
		return q, nil
	}
	opts := []deletion.GateOption{deletion.GateLogger(c.Log)}
	if flags.name != "" {
		opts = append(opts, deletion.CzarName(flags.name))
	}
	ctx, cancel := c.Limit(ctx)
	defer cancel()
	if q.gate, err = deletion.OpenGate(ctx, css.Client, c.view, opts...); err != nil {
		q.workers.close()
		return nil, err
	}
	return q, nil
}

// run begins a query for each line until there are no more or ctx ends, and returns when all have ended.
func (q *czarQueries) run(ctx context.Context) error {
	lines := q.read(ctx)
	for number := 1; ; number++ {
		var line string
		more := false
		select {
		case <-ctx.Done():
		case line, more = <-lines:
		}
		if !more || q.broken() != nil {
			break
		}
		q.begin(line, number)
	}
	q.running.Wait()
	if err := q.broken(); err != nil {
		return err
	}
	if q.invalid > 0 {
		return cli.BadInput("%s; the output says which and why", cli.Plural(q.invalid, "line of the input is no query",
			"lines of the input are no queries"))
	}
	return nil
}

// read returns the lines of the input. A read that is under way when ctx ends goes on until the input ends: it cannot
// be stopped.
func (q *czarQueries) read(ctx context.Context) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		input := bufio.NewScanner(q.Stdin)
		for input.Scan() {
			select {
			case lines <- input.Text():
			case <-ctx.Done():
				return
			}
		}
		if err := input.Err(); err != nil && ctx.Err() == nil {
			q.Log.Warn("the input cannot be read any further; what it asked for goes on to its end", "err", err)
		}
	}()
	return lines
}

// begin begins the query of a line, if there is one.
func (q *czarQueries) begin(line string, number int) {
	line = strings.TrimSpace(line)
	if line == "" || strings.HasPrefix(line, "#") {
		return
	}
	names, duration, err := parseQuery(line)
	if err != nil {
		q.invalid++
		q.say(queryTold{Query: number, Event: queryInvalid, Error: err.Error()})
		return
	}
	one := &czarQuery{czarQueries: q, names: names, duration: duration, told: queryTold{Query: number}}
	for _, n := range names {
		one.told.Tables = append(one.told.Tables, n.String())
	}
	q.running.Go(one.run)
}

// parseQuery reads a line such as "Sky.Object,Sky.Source 3s".
func parseQuery(line string) (names []cssetcd.TableName, duration time.Duration, err error) {
	words := strings.Fields(line)
	if len(words) != 2 {
		return nil, 0, fmt.Errorf("%q is not of the form DATABASE.TABLE[,DATABASE.TABLE] DURATION, such as Sky.Object 3s",
			line)
	}
	for text := range strings.SplitSeq(words[0], ",") {
		n, err := cssetcd.ParseTableName(text)
		if err != nil {
			return nil, 0, errors.New(cli.Sentence(err))
		}
		names = append(names, n)
	}
	duration, err = time.ParseDuration(words[1])
	if err != nil || duration <= 0 {
		return nil, 0, fmt.Errorf("%q is not a duration above 0, such as 3s or 500ms", words[1])
	}
	return names, duration, nil
}

// say prints a line, and keeps the first error of that: nobody reads any more, so no other query begins.
func (q *czarQueries) say(told queryTold) {
	if err := q.tell(told); err != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.err == nil {
			q.err = err
		}
	}
}

func (q *czarQueries) broken() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// close ends the registration. All queries have ended. When etcd does not answer, the coordinator ends it.
func (q *czarQueries) close(ctx context.Context) {
	q.running.Wait()
	q.workers.close()
	if q.gate == nil {
		return
	}
	ctx, cancel := q.Limit(ctx)
	defer cancel()
	if err := q.gate.Close(ctx); err != nil {
		q.Log.Warn("the registration of this czar is not deleted; drops wait until the coordinator has ended it", "err", err)
	}
}
