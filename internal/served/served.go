// Package served finds out which chunks of which databases a worker can serve now.
package served

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/command"
	"github.com/qserv/css-etcd/internal/lines"
)

// Source tells which chunks a worker can serve, by database. What it returns is of one moment.
type Source func(context.Context) (map[string]chunkset.Set, error)

// MySQL reads what a worker of Qserv goes by itself: the tables Dbs and Chunks of its schema qservw_<name>, which the
// connections use. A database without chunks is served, too.
func MySQL(db *sql.DB) Source {
	return func(ctx context.Context) (map[string]chunkset.Set, error) {
		rows, err := db.QueryContext(ctx, "SELECT d.db, c.chunk FROM Dbs AS d LEFT JOIN Chunks AS c ON c.db = d.db")
		if err != nil {
			return nil, fmt.Errorf("read the tables Dbs and Chunks of the worker: %w", err)
		}
		defer rows.Close()
		ids := map[string][]int{}
		for rows.Next() {
			var name string
			var chunk sql.NullInt64
			if err := rows.Scan(&name, &chunk); err != nil {
				return nil, fmt.Errorf("read the tables Dbs and Chunks of the worker: %w", err)
			}
			ids[name] = slices.Grow(ids[name], 1)
			if chunk.Valid {
				ids[name] = append(ids[name], int(chunk.Int64))
			}
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("read the tables Dbs and Chunks of the worker: %w", err)
		}
		sets := map[string]chunkset.Set{}
		for name, of := range ids {
			set, err := chunkset.Of(of...)
			if err != nil {
				return nil, fmt.Errorf("chunks of database %s of the worker: %w", name, err)
			}
			sets[name] = set
		}
		return sets, nil
	}
}

// Command runs a program that prints what is served, a line for each database: its name, a blank, and chunks such as
// 0-311,313 or "none". What several lines say of a database counts together. Empty lines and those that begin with #
// say nothing.
func Command(path string) Source {
	return func(ctx context.Context) (map[string]chunkset.Set, error) {
		out, err := command.Output(ctx, path)
		if err != nil {
			return nil, err
		}
		sets, err := Parse(out)
		if err != nil {
			return nil, fmt.Errorf("what the command %s printed: %w", path, err)
		}
		return sets, nil
	}
}

// None is the text of the empty set.
const None = "none"

// Parse reads the lines of a [Command].
func Parse(text []byte) (map[string]chunkset.Set, error) {
	sets := map[string]chunkset.Set{}
	err := lines.Each(bytes.NewReader(text), len(text)+1, func(line string) error {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return fmt.Errorf("%.80q is not the name of a database, a blank, and chunks", line)
		}
		set, err := ParseSet(fields[1])
		sets[fields[0]] = sets[fields[0]].Union(set)
		return err
	})
	if err != nil {
		return nil, err
	}
	return sets, nil
}

// ParseSet reads a set as people type it, [None] being the empty one.
func ParseSet(text string) (chunkset.Set, error) {
	if text == None {
		return chunkset.Set{}, nil
	}
	return chunkset.Parse(text)
}

// Follow asks a source again and again, every so often after the last answer, and hands publish what it says. A source
// that fails may still serve what it said last; when it has not answered for as long as patience, nothing is known to
// be served, and publish is told so, with known as false, before each time that the source is asked. An error of
// publish is a failure of the source. trouble is told when failures begin, when they have lasted so long that nothing
// is published any more, and nil when all is well again. Follow ends with ctx, whose error it returns.
func Follow(ctx context.Context, from Source, every, patience time.Duration,
	publish func(sets map[string]chunkset.Set, known bool) error, trouble func(error)) error {
	answered, failing, emptied := time.Now(), false, false
	var last error
	for {
		if failing && time.Since(answered) >= patience {
			err := publish(nil, false)
			if !emptied {
				emptied = true
				trouble(fmt.Errorf("%w; until that is over the worker is published as serving nothing",
					errors.Join(last, err)))
			}
		}
		err := once(ctx, from, answered.Add(patience), patience, publish)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			if failing {
				trouble(nil)
			}
			answered, failing, emptied = time.Now(), false, false
		case !failing:
			failing = true
			trouble(err)
		}
		last = err
		pause := every
		if failing && !emptied {
			pause = max(0, min(every, time.Until(answered.Add(patience))))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// once asks once, until a time; or, where that is over, as long as patience.
func once(ctx context.Context, from Source, until time.Time, patience time.Duration,
	publish func(map[string]chunkset.Set, bool) error) error {
	within := time.Until(until)
	if within <= 0 {
		within = patience
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("it did not answer within %s",
		within.Round(time.Millisecond)))
	defer cancel()
	sets, err := from(ctx)
	if err != nil {
		if late := context.Cause(ctx); late != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) &&
			!strings.Contains(err.Error(), late.Error()) {
			err = fmt.Errorf("%w: %w", late, err)
		}
		return err
	}
	return publish(sets, true)
}
