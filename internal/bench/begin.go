package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

var dropBegin = Benchmark{
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
		ok := commonRows(yield)
		for t := 0; ok && t < c.tables; t++ {
			ok = tableRows(numbered(crowdedDB, t), t, yield)
		}
		ok = ok && tableRows(numbered(aloneDB, 0), 0, yield)
		for t := 0; ok && t < c.others; t++ {
			name := tableName(t/familyTables, t%familyTables)
			ok = tableRows(name, t%familyTables, yield)
			for i := 0; ok && i < c.chunks; i++ {
				ok = chunkRows(name, i, yield)
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
		names = append(names, tableName(t/familyTables, t%familyTables))
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

func measureDropBegin(ctx context.Context, r *Rig) ([]Result, error) {
	c := crowd{prefix: "/begin", tables: r.Sizes.BeginTables, others: r.Sizes.BeginOthers, chunks: r.Sizes.BeginChunks}
	css, filled, err := r.crowded(ctx, c)
	if err != nil {
		return nil, err
	}
	drops, err := deletion.NewClient(css)
	if err != nil {
		return nil, err
	}
	among := fmt.Sprintf("among %d other tables of %d chunks, %d keys in all", c.others, c.chunks, filled.keys)
	later := deletion.Delay(time.Hour) // no coordinator is there, and each is taken back
	var results []Result
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
		result, err := r.measureBegin(ctx, c, what.name, what.versus, what.begin)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

func (r *Rig) measureBegin(ctx context.Context, c crowd, name, versus string,
	begin func(context.Context) (*deletion.Drop, error)) (Result, error) {
	ours := func(ctx context.Context, m *Meter) error {
		var drop *deletion.Drop
		err := m.Time("begin", func() (err error) { drop, err = begin(ctx); return err })
		if err != nil {
			return err
		}
		return drop.Cancel(ctx)
	}
	peer := func(ctx context.Context, m *Meter) error {
		return m.Time("begin", func() error { return readAll(ctx, r.grown.etcd, c.lookedAt()) })
	}
	turns, err := r.turns(ctx, name, r.Sizes.Rounds, ours, peer)
	if err != nil {
		return Result{}, err
	}
	return newResult(name, "ms", versus+"; peer: Get of the status, the match and the partitioning of each table",
		Within(2), turns.Samples("begin", "begin"), median)
}

// readAll reads keys, many in a transaction.
func readAll(ctx context.Context, etcd *clientv3.Client, ops []clientv3.Op) error {
	found := 0
	for len(ops) > 0 {
		part := ops[:min(len(ops), putsInTxn)]
		resp, err := etcd.Txn(ctx).Then(part...).Commit()
		if err != nil {
			return err
		}
		for _, one := range resp.Responses {
			found += len(one.GetResponseRange().Kvs)
		}
		ops = ops[len(part):]
	}
	if found == 0 {
		return errors.New("the peer reads keys that are not there")
	}
	return nil
}

// crowded fills a catalogue in the large etcd.
func (r *Rig) crowded(ctx context.Context, c crowd) (*cssetcd.Client, content, error) {
	if err := r.grown.start(ctx); err != nil {
		return nil, content{}, err
	}
	r.progress(fmt.Sprintf("making a catalogue of %d tables", c.tables+c.others))
	filled, err := fill(ctx, r.grown.etcd, c.prefix, c.rows())
	if err != nil {
		return nil, filled, err
	}
	css, err := cssetcd.New(ctx, r.grown.etcd, cssetcd.WithPrefix(c.prefix))
	return css, filled, err
}
