package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
)

var smallQuestions = Benchmark{
	Name: "names-at-1M",
	Summary: "listing databases, tables and nodes, showing a table, and deleting a node, among a million keys of " +
		"chunks, against reading just the keys of the answer",
	Run: measureNames,
}

// answerMemory is what an answer may hold, in bytes.
const answerMemory = 60 << 20

// question is one of the small questions that a large catalogue is asked.
type question struct {
	name    string
	times   int // it is asked in a block
	versus  string
	before  func(ctx context.Context, c grownCatalogue) error // not measured; nil for nothing
	ask     func(ctx context.Context, c grownCatalogue) (answer any, n int, err error)
	expect  func(c grownCatalogue) int // what ask counts
	perfect func(c grownCatalogue) []clientv3.Op
}

// spare is a node without chunks.
const spare = "worker-spare"

var questions = []question{
	{
		name: "databases", times: 5,
		versus: "Client.Databases; peer: Get of the keys of databases, with their packed keys, and of tables",
		ask:    func(ctx context.Context, c grownCatalogue) (any, int, error) { return listed(c.css.Databases(ctx)) },
		expect: func(c grownCatalogue) int { return c.databases },
		perfect: func(c grownCatalogue) []clientv3.Op {
			ops := []clientv3.Op{c.below("/PARTITIONING")}
			for db := range c.databases {
				ops = append(ops, c.get("/DBS/"+databaseName(db)), c.get("/DBS/"+databaseName(db)+"/.packed.json"))
			}
			for _, t := range c.tables() {
				ops = append(ops, c.get("/DBS/"+t.DB+"/TABLES/"+t.Table))
			}
			return ops
		},
	},
	{
		name: "tables", times: 3,
		versus: "Client.Tables of all databases; peer: Get of the ranges around the chunks of each table",
		ask:    func(ctx context.Context, c grownCatalogue) (any, int, error) { return listed(c.css.Tables(ctx)) },
		expect: func(c grownCatalogue) int { return len(c.tables()) },
		perfect: func(c grownCatalogue) []clientv3.Op {
			var ops []clientv3.Op
			for _, t := range c.tables() {
				ops = append(ops, c.around(t)...)
			}
			return ops
		},
	},
	{
		name: "nodes", times: 30, versus: "Client.Nodes; peer: Get of the range of nodes",
		ask:     func(ctx context.Context, c grownCatalogue) (any, int, error) { return listed(c.css.Nodes(ctx)) },
		expect:  func(grownCatalogue) int { return familyNodes },
		perfect: func(c grownCatalogue) []clientv3.Op { return []clientv3.Op{c.below("/NODES")} },
	},
	{
		name: "table", times: 30, versus: "Client.Table; peer: Get of the ranges around its chunks",
		ask: func(ctx context.Context, c grownCatalogue) (any, int, error) {
			t, err := c.css.Table(ctx, tableName(0, 1))
			return t, 1, err
		},
		expect:  func(grownCatalogue) int { return 1 },
		perfect: func(c grownCatalogue) []clientv3.Op { return c.around(tableName(0, 1)) },
	},
	{
		name: "node-delete", times: 1,
		versus: "Client.DeleteNode of a node that has no chunk; peer: draining the stream of what lies below /DBS, among " +
			"which the nodes of replicas are",
		before: func(ctx context.Context, c grownCatalogue) error {
			_, err := c.css.AddNode(ctx, cssetcd.Node{Name: spare, Type: "worker"})
			return err
		},
		ask: func(ctx context.Context, c grownCatalogue) (any, int, error) {
			_, err := c.css.DeleteNode(ctx, spare)
			return nil, 0, err
		},
		expect: func(grownCatalogue) int { return 0 },
	},
}

// listed reads a listing to its end.
func listed[T any](all iter.Seq2[T, error], err error) (any, int, error) {
	if err != nil {
		return nil, 0, err
	}
	var got []T
	for one, err := range all {
		if err != nil {
			return nil, 0, err
		}
		got = append(got, one)
	}
	return got, len(got), nil
}

func (c grownCatalogue) get(key string) clientv3.Op { return clientv3.OpGet(c.prefix + "/css" + key) }

func (c grownCatalogue) below(key string) clientv3.Op {
	return clientv3.OpGet(c.prefix+"/css"+key+"/", clientv3.WithPrefix())
}

// around returns the ranges of a table without its chunks.
func (c grownCatalogue) around(t cssetcd.TableName) []clientv3.Op {
	key := c.prefix + "/css/DBS/" + t.DB + "/TABLES/" + t.Table
	return []clientv3.Op{
		clientv3.OpGet(key),
		clientv3.OpGet(key+"/", clientv3.WithRange(key+"/CHUNKS/")),
		clientv3.OpGet(key+"/CHUNKS0", clientv3.WithRange(key+"0")),
	}
}

func measureNames(ctx context.Context, r *Rig) ([]Result, error) {
	c, err := r.Grown(ctx, r.Sizes.NamesKeys)
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, q := range questions {
		result, err := measureQuestion(ctx, r, c, q)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

func measureQuestion(ctx context.Context, r *Rig, c grownCatalogue, q question) (Result, error) {
	name := "names-at-1M-" + q.name
	held := 0.0
	ours := func(ctx context.Context, m *Meter) error {
		for range q.times {
			bytes, err := q.once(ctx, m, c)
			if err != nil {
				return err
			}
			held = max(held, bytes)
		}
		return nil
	}
	peer := func(ctx context.Context, m *Meter) error {
		for range q.times {
			if err := m.Time("ask", func() error { return c.readJust(ctx, r.grown.etcd, q) }); err != nil {
				return err
			}
		}
		return nil
	}
	turns, err := r.turns(ctx, name, r.Sizes.GrownRounds, ours, peer)
	if err != nil {
		return Result{}, err
	}
	versus := fmt.Sprintf("among %d keys, %s", c.content.keys, q.versus)
	result, err := newResult(name, "ms", versus, Within(3), turns.Samples("ask", "ask"), median)
	result.add("memory of the answer", "B", held, Within(answerMemory))
	return result, err
}

// once asks a question, and returns what its answer holds in memory.
func (q question) once(ctx context.Context, m *Meter, c grownCatalogue) (float64, error) {
	if q.before != nil {
		if err := q.before(ctx, c); err != nil {
			return 0, err
		}
	}
	bytes, _, err := heldBy(func() (answer any, err error) {
		return answer, m.Time("ask", func() (err error) {
			var n int
			answer, n, err = q.ask(ctx, c)
			if want := q.expect(c); err == nil && n != want {
				err = fmt.Errorf("the answer has %d of %d", n, want)
			}
			return err
		})
	})
	return bytes, err
}

// readJust is the peer of a question.
func (c grownCatalogue) readJust(ctx context.Context, etcd *clientv3.Client, q question) error {
	if q.perfect == nil {
		parts, err := etcd.GetStream(ctx, c.prefix+"/css/DBS/", clientv3.WithPrefix())
		if err != nil {
			return err
		}
		var errs []error
		for part := range parts {
			errs = append(errs, part.Err())
		}
		return errors.Join(errs...)
	}
	for part := range slices.Chunk(q.perfect(c), putsInTxn) {
		resp, err := etcd.Txn(ctx).Then(part...).Commit()
		if err != nil {
			return err
		}
		for _, one := range resp.Responses {
			if len(one.GetResponseRange().Kvs) == 0 {
				return errors.New("the peer reads a key that is not there")
			}
		}
	}
	return nil
}
