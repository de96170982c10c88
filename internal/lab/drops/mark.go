package drops

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// Mark is about beginning a drop in a large catalogue.
var Mark = rig.Benchmark{
	Name: "drop-begin",
	Summary: "marking a database of many tables, and a director, among other tables with chunks, against one read of " +
		"what has to be looked at",
	Run: measureDropBegin,
}

// crowd is a catalogue in which drops begin: a database of many tables, a director that nobody is partitioned by, and
// other tables with chunks.
type crowd struct {
	prefix         string
	tables         int // of the database that is dropped
	others, chunks int // tables of other databases, and chunks of each
}

const (
	crowdedDB = "Crowded"
	aloneDB   = "Alone"
)

func (c crowd) rows() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		ok := family.CommonRows(yield)
		for t := 0; ok && t < c.tables; t++ {
			ok = family.TableRows(numbered(crowdedDB, t), t, yield)
		}
		ok = ok && family.TableRows(numbered(aloneDB, 0), 0, yield)
		for t := 0; ok && t < c.others; t++ {
			name := family.Table(t/family.Tables, t%family.Tables)
			ok = family.TableRows(name, t%family.Tables, yield)
			for i := 0; ok && i < c.chunks; i++ {
				ok = family.ChunkRows(name, i, yield)
			}
		}
	}
}

func numbered(db string, table int) cssetcd.TableName {
	return cssetcd.TableName{DB: db, Table: fmt.Sprintf("Measurement_%02d", table)}
}

// names returns all tables.
func (c crowd) names() []cssetcd.TableName {
	names := []cssetcd.TableName{numbered(aloneDB, 0)}
	for t := range c.tables {
		names = append(names, numbered(crowdedDB, t))
	}
	for t := range c.others {
		names = append(names, family.Table(t/family.Tables, t%family.Tables))
	}
	return names
}

// lookedAt are the keys that say which tables depend on others: of each its status, its match and its partitioning.
func (c crowd) lookedAt() []clientv3.Op {
	var ops []clientv3.Op
	for _, n := range c.names() {
		key := c.prefix + "/css/DBS/" + n.DB + "/TABLES/" + n.Table
		ops = append(ops, clientv3.OpGet(key), clientv3.OpGet(key+"/match/.packed.json"),
			clientv3.OpGet(key+"/partitioning/.packed.json"))
	}
	return ops
}

func measureDropBegin(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	c := crowd{prefix: "/begin", tables: r.Sizes.BeginTables, others: r.Sizes.BeginOthers, chunks: r.Sizes.BeginChunks}
	large, err := r.LargeOf(ctx, fmt.Sprintf("a catalogue of %d tables", c.tables+c.others), c.prefix, c.rows())
	if err != nil {
		return nil, err
	}
	drops, err := deletion.NewClient(large.CSS)
	if err != nil {
		return nil, err
	}
	among := fmt.Sprintf("among %d other tables of %d chunks, %d keys in all", c.others, c.chunks, large.Content.Keys)
	later := deletion.Delay(time.Hour) // no coordinator is there, and each is taken back
	var results []measure.Result
	for _, what := range []struct {
		name, versus string
		begin        func(context.Context) (*deletion.Drop, error)
	}{
		{"drop-begin", fmt.Sprintf("to mark a database of %d tables %s", c.tables, among),
			func(ctx context.Context) (*deletion.Drop, error) {
				return drops.DropDatabase(ctx, crowdedDB, later)
			}},
		{"drop-begin-director", "to mark a director " + among, func(ctx context.Context) (*deletion.Drop, error) {
			return drops.DropTable(ctx, numbered(aloneDB, 0), later)
		}},
	} {
		result, err := measureBegin(ctx, r, large, c.lookedAt(), what.name, what.versus, what.begin)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

func measureBegin(ctx context.Context, r *rig.Rig, c rig.Large, lookedAt []clientv3.Op, name, versus string,
	begin func(context.Context) (*deletion.Drop, error)) (measure.Result, error) {
	ours := func(ctx context.Context, m *measure.Meter) error {
		var drop *deletion.Drop
		err := m.Time("begin", func() (err error) { drop, err = begin(ctx); return err })
		if err != nil {
			return err
		}
		return drop.Cancel(ctx)
	}
	peer := func(ctx context.Context, m *measure.Meter) error {
		return m.Time("begin", func() error {
			missing, err := family.GetAll(ctx, c.Etcd, lookedAt)
			if err == nil && missing == len(lookedAt) {
				err = errors.New("the peer reads keys that are not there")
			}
			return err
		})
	}
	turns, err := r.Turns(ctx, name, r.Sizes.Rounds, ours, peer)
	if err != nil {
		return measure.Result{}, err
	}
	return turns.Figure(name, "ms", versus+"; peer: Get of the status, the match and the partitioning of each table",
		measure.Within(2), "begin")
}
