package catalogue

import (
	"context"
	"errors"
	"fmt"
	"iter"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// Names is about small questions to a large catalogue.
var Names = rig.Benchmark{
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
	before  func(ctx context.Context, c large) error // not measured; nil for nothing
	ask     func(ctx context.Context, c large) (answer any, n int, err error)
	expect  func(c large) int // what ask counts
	perfect func(c large) []clientv3.Op
}

// spare is a node without chunks.
const spare = "worker-spare"

var questions = []question{
	{
		name: "databases", times: 5,
		versus: "Client.Databases; peer: Get of the keys of databases, with their packed keys, and of tables",
		ask:    func(ctx context.Context, c large) (any, int, error) { return listed(c.CSS.Databases(ctx)) },
		expect: func(c large) int { return c.Databases },
		perfect: func(c large) []clientv3.Op {
			ops := []clientv3.Op{c.below("/PARTITIONING")}
			for db := range c.Databases {
				ops = append(ops, c.get("/DBS/"+family.Database(db)), c.get("/DBS/"+family.Database(db)+"/.packed.json"))
			}
			for _, t := range c.Tables() {
				ops = append(ops, c.get("/DBS/"+t.DB+"/TABLES/"+t.Table))
			}
			return ops
		},
	},
	{
		name: "tables", times: 3,
		versus: "Client.Tables of all databases; peer: Get of the ranges around the chunks of each table",
		ask:    func(ctx context.Context, c large) (any, int, error) { return listed(c.CSS.Tables(ctx)) },
		expect: func(c large) int { return len(c.Tables()) },
		perfect: func(c large) []clientv3.Op {
			var ops []clientv3.Op
			for _, t := range c.Tables() {
				ops = append(ops, c.around(t)...)
			}
			return ops
		},
	},
	{
		name: "nodes", times: 30, versus: "Client.Nodes; peer: Get of the range of nodes",
		ask:     func(ctx context.Context, c large) (any, int, error) { return listed(c.CSS.Nodes(ctx)) },
		expect:  func(large) int { return family.Nodes },
		perfect: func(c large) []clientv3.Op { return []clientv3.Op{c.below("/NODES")} },
	},
	{
		name: "table", times: 30, versus: "Client.Table; peer: Get of the ranges around its chunks",
		ask: func(ctx context.Context, c large) (any, int, error) {
			t, err := c.CSS.Table(ctx, family.Table(0, 1))
			return t, 1, err
		},
		expect:  func(large) int { return 1 },
		perfect: func(c large) []clientv3.Op { return c.around(family.Table(0, 1)) },
	},
	{
		name: "node-delete", times: 1,
		versus: "Client.DeleteNode of a node that has no chunk; peer: draining the stream of what lies below /DBS, among " +
			"which the nodes of replicas are",
		before: func(ctx context.Context, c large) error {
			_, err := c.CSS.AddNode(ctx, cssetcd.Node{Name: spare, Type: "worker"})
			return err
		},
		ask: func(ctx context.Context, c large) (any, int, error) {
			_, err := c.CSS.DeleteNode(ctx, spare)
			return nil, 0, err
		},
		expect: func(large) int { return 0 },
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

func (c large) get(key string) clientv3.Op { return clientv3.OpGet(c.Prefix + "/css" + key) }

func (c large) below(key string) clientv3.Op {
	return clientv3.OpGet(c.Prefix+"/css"+key+"/", clientv3.WithPrefix())
}

// around returns the ranges of a table without its chunks.
func (c large) around(t cssetcd.TableName) []clientv3.Op {
	key := c.Prefix + "/css/DBS/" + t.DB + "/TABLES/" + t.Table
	return []clientv3.Op{
		clientv3.OpGet(key),
		clientv3.OpGet(key+"/", clientv3.WithRange(key+"/CHUNKS/")),
		clientv3.OpGet(key+"/CHUNKS0", clientv3.WithRange(key+"0")),
	}
}

func measureNames(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	c, err := newLarge(ctx, r, r.Sizes.NamesKeys)
	if err != nil {
		return nil, err
	}
	var results []measure.Result
	for _, q := range questions {
		result, err := measureQuestion(ctx, r, c, q)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

func measureQuestion(ctx context.Context, r *rig.Rig, c large, q question) (measure.Result, error) {
	name := "names-at-1M-" + q.name
	held := 0.0
	ours := func(ctx context.Context, m *measure.Meter) error {
		for range q.times {
			bytes, err := q.once(ctx, m, c)
			if err != nil {
				return err
			}
			held = max(held, bytes)
		}
		return nil
	}
	peer := func(ctx context.Context, m *measure.Meter) error {
		for range q.times {
			if err := m.Time("ask", func() error { return q.readJust(ctx, c) }); err != nil {
				return err
			}
		}
		return nil
	}
	turns, err := r.Turns(ctx, name, r.Sizes.GrownRounds, ours, peer)
	if err != nil {
		return measure.Result{}, err
	}
	versus := fmt.Sprintf("among %d keys, %s", c.Content.Keys, q.versus)
	result, err := turns.Figure(name, "ms", versus, measure.Within(3), "ask")
	result.Add("memory of the answer", "B", held, measure.Within(answerMemory))
	return result, err
}

// once asks a question, and returns what its answer holds in memory.
func (q question) once(ctx context.Context, m *measure.Meter, c large) (float64, error) {
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
func (q question) readJust(ctx context.Context, c large) error {
	if q.perfect == nil {
		parts, err := c.Etcd.GetStream(ctx, c.Prefix+"/css/DBS/", clientv3.WithPrefix())
		if err != nil {
			return err
		}
		var errs []error
		for part := range parts {
			errs = append(errs, part.Err())
		}
		return errors.Join(errs...)
	}
	missing, err := family.GetAll(ctx, c.Etcd, q.perfect(c))
	if err == nil && missing > 0 {
		err = fmt.Errorf("the peer reads %d keys that are not there", missing)
	}
	return err
}
