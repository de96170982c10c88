package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// jobOf is what a Dropper is given.
func (c *Coordinator) jobOf(a protocol.Action, tell func(string)) Job {
	j := jobOf(a.Name, a.Intent, a.Mark)
	j.Tell = tell
	j.Held = func(ctx context.Context, names []string) ([]string, error) { return c.held(ctx, a, names) }
	j.Keep = lookAlikes(j.Tables, c.cfg.View.Snapshot().Tables(j.Database))
	return j
}

func jobOf(n protocol.Name, i protocol.Intent, mark protocol.Revision) Job {
	db, table := n.Parts()
	j := Job{Database: db, Whole: table == "", Incarnation: i.Incarnation, History: i.History, Mark: mark}
	for _, t := range i.Tables {
		j.Tables = append(j.Tables, JobTable(t))
	}
	return j
}

// ErrDropEnded says that what an attempt removes data for has ended meanwhile: another coordinator has done it, or
// somebody gave it up.
var ErrDropEnded = errors.New("the drop has ended meanwhile")

// held returns which names are those of tables that the catalogue holds, as of now or later. It fails with ErrDropEnded
// when the drop has ended: an attempt that is late goes no further then.
func (c *Coordinator) held(ctx context.Context, a protocol.Action, names []string) (held []string, err error) {
	have, err := c.store.Fetch(ctx, 0, kv.Key(a.Name.Intent()))
	if err != nil {
		return nil, fmt.Errorf("ask the catalogue which tables it holds: %w", err)
	}
	if _, still := protocol.Renewed(a, have); !still {
		return nil, ErrDropEnded
	}
	s, err := c.cfg.View.WaitRevision(ctx, have.Revision)
	if err != nil {
		return nil, fmt.Errorf("ask the catalogue which tables it holds: %w", err)
	}
	db, _ := a.Name.Parts()
	for _, n := range names {
		if e, there := s.Key(csskey.TableKey(db, n)); there && e.Exists() {
			held = append(held, n)
		}
	}
	return held, nil
}

// Holds returns those of some names that are tables of the catalogue, and must not be touched. It asks Held where that
// is there, and looks into Keep else.
func (j Job) Holds(ctx context.Context, names []string) ([]string, error) {
	if j.Held != nil {
		return j.Held(ctx, names)
	}
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(j.Keep, n) }), nil
}

// Owns reports whether a table of a worker has the name of the table or, where that is chunked, one that its chunk
// tables have: t_<digits> and tFullOverlap_<digits>, letter by letter. That is Qserv's convention. A table that the
// catalogue holds may have such a name, too: see [Job.Held].
func (t JobTable) Owns(name string) bool {
	rest, ok := strings.CutPrefix(name, t.Table)
	if !ok || rest == "" {
		return ok
	}
	if t.ChunkLevel == 0 {
		return false
	}
	chunk, ok := strings.CutPrefix(strings.TrimPrefix(rest, "FullOverlap"), "_")
	return ok && chunk != "" && strings.Trim(chunk, "0123456789") == ""
}

// lookAlikes returns the tables of a database that look like chunk tables of others.
func lookAlikes(of []JobTable, all func(yield func(*cssetcd.Table, error) bool)) (names []string) {
	of = slices.DeleteFunc(slices.Clone(of), func(t JobTable) bool { return t.ChunkLevel == 0 })
	if len(of) == 0 {
		return nil
	}
	for t, err := range all {
		name := ""
		if t != nil {
			name = t.Name.Table
		} else if fault, ok := errors.AsType[*cssetcd.Error](err); ok { // it cannot be read, but it is there
			_, name, _ = strings.Cut(fault.Object, ".")
		}
		if slices.ContainsFunc(of, func(t JobTable) bool { return t.Owns(name) }) {
			names = append(names, name)
		}
	}
	return names
}

// Jobs returns what is past the point of no return and not removed yet, as Droppers are given it. It fails when that of
// any drop cannot be read, and with ErrInvalid for a catalogue on a file.
func Jobs(ctx context.Context, css *cssetcd.Client) ([]Job, error) {
	const listing = "list what is being removed"
	store, err := edge.Open(css)
	if err != nil {
		return nil, &deletion.Error{Op: listing, Err: err}
	}
	f, faults, err := edge.Observer{Store: store}.Read(ctx, nil)
	if err == nil {
		err = edge.Joined(faults)
	}
	if err != nil {
		return nil, &deletion.Error{Op: listing, Err: err}
	}
	jobs := []Job{}
	for _, d := range f.Drops {
		if d.Intent.Phase == protocol.Dropping {
			jobs = append(jobs, jobOf(d.Name, d.Intent, d.Mark))
		}
	}
	return jobs, nil
}
