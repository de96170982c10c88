package catalogue

import (
	"context"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// MemorySchemas is about the schemas that tables share.
var MemorySchemas = rig.Benchmark{
	Name:    "memory-same-schema",
	Summary: "the parsed schemas that many databases of one family keep, against those of one database",
	Run:     measureSchemas,
}

// memoryATable is what a table may keep to find the parsed schema that it shares, in bytes.
const memoryATable = 64

// relatives is a view of databases with the same tables.
type relatives struct {
	family.Shape
	css  *cssetcd.Client
	view *cssetcd.View
}

func newRelatives(ctx context.Context, r *rig.Rig, prefix string, databases int) (*relatives, error) {
	s := family.Shape{Prefix: prefix, Databases: databases}
	css, err := r.Family(ctx, s)
	if err != nil {
		return nil, err
	}
	f := &relatives{Shape: s, css: css}
	return f, f.open(ctx)
}

// open makes a view in which nothing has been read.
func (f *relatives) open(ctx context.Context) (err error) {
	f.view, err = cssetcd.OpenView(ctx, f.css)
	return err
}

func measureSchemas(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	many, err := newRelatives(ctx, r, "/many", r.Sizes.Family)
	if err != nil {
		return nil, err
	}
	defer func() { many.view.Close() }()
	one, err := newRelatives(ctx, r, "/one", 1)
	if err != nil {
		return nil, err
	}
	defer func() { one.view.Close() }()
	turns, err := r.Turns(ctx, "memory-same-schema", r.Sizes.Rounds, many.measure, one.measure)
	if err != nil {
		return nil, err
	}
	altered, err := many.alter(ctx)
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("the parsed schemas in memory, told apart by their identity, when Snapshot.Table and "+
		"Snapshot.Columns have read the %d tables of "+
		"each of %d databases; peer: of one database", family.Tables, r.Sizes.Family)
	result, err := turns.Figure("memory-same-schema", "schemas", versus, measure.Within(1), "schemas")
	if err != nil {
		return nil, err
	}
	result.Add("parsed schemas of one of the tables, after it was altered in one database", "", float64(altered),
		measure.Within(2))
	ours, peer := measure.Typical(turns.Ours["heap"]), measure.Typical(turns.Peer["heap"])
	result.Note("heap that parsing all of them takes", "B", ours)
	result.Note("heap that parsing those of one database takes", "B", peer)
	if r.Sizes.Family > 1 {
		result.Add("heap of a table beside the schema that it shares", "B",
			(ours-peer)/float64(family.Tables*(r.Sizes.Family-1)), measure.Within(memoryATable))
	}
	return []measure.Result{result}, nil
}

// measure reads all tables, and then all columns, of which it takes the heap and the number.
func (f *relatives) measure(ctx context.Context, m *measure.Meter) error {
	f.view.Close()
	if err := f.open(ctx); err != nil {
		return err
	}
	s := f.view.Snapshot()
	for _, name := range f.Tables() {
		if _, err := s.Table(name); err != nil {
			return err
		}
	}
	heap, distinct, err := heldBy(func() (map[*cssetcd.Column]bool, error) { return f.parsed(s, f.Tables()) })
	if err != nil {
		return err
	}
	m.Count("heap", "B", heap)
	m.Count("schemas", "schemas", float64(len(distinct)))
	return nil
}

// parsed returns the parsed schemas of some tables, known by their first columns.
func (f *relatives) parsed(s *cssetcd.Snapshot, names []cssetcd.TableName) (map[*cssetcd.Column]bool, error) {
	distinct := map[*cssetcd.Column]bool{}
	for _, name := range names {
		columns, err := s.Columns(name)
		if err != nil {
			return nil, err
		}
		distinct[&columns[0]] = true
	}
	return distinct, nil
}

// alter gives one table of the last database another schema, and returns how many parsed schemas the tables of its name
// have then.
func (f *relatives) alter(ctx context.Context) (int, error) {
	var same []cssetcd.TableName
	for db := range f.Databases {
		same = append(same, family.Table(db, 0))
	}
	last := same[len(same)-1]
	rev, err := f.css.SetTableSchema(ctx, last, "(objectId BIGINT NOT NULL, added INT)")
	if err != nil {
		return 0, err
	}
	s, err := f.view.WaitRevision(ctx, rev)
	if err != nil {
		return 0, err
	}
	columns, err := s.Columns(last)
	if err != nil {
		return 0, err
	}
	if len(columns) != 2 {
		return 0, fmt.Errorf("the altered table %s has %d columns", last, len(columns))
	}
	distinct, err := f.parsed(s, same)
	return len(distinct), err
}
