package cssetcd

import (
	"context"
	"iter"

	"github.com/qserv/css-etcd/internal/kv"
)

// Relation is a table with what ties it to other tables. Partitioning and Match are nil where the table has none.
type Relation struct {
	Name         TableName
	Status       Status
	Partitioning *Partitioning
	Match        *Match
}

// Relations reads what ties tables to each other, of the given databases, or of all databases when none is given, in
// the order of Tables and at one revision. It costs what that holds: schemas and chunks are not read. It returns
// ErrNoSuchDB for a database that is given and not there. A table that cannot be decoded comes with its name alone and
// an error, and the others follow.
func (c *Client) Relations(ctx context.Context, dbs ...string) (iter.Seq2[Relation, error], error) {
	have, names, err := c.tables(ctx, "list relations of tables", dbs, beyondTies, untied)
	if err != nil {
		return nil, err
	}
	return func(yield func(Relation, error) bool) {
		for n := range names {
			r, err := decodeRelation(have, n)
			if !yield(r, objectError("read table", n.String(), err)) {
				return
			}
		}
	}, nil
}

func decodeRelation(have *kv.Snapshot, n TableName) (r Relation, err error) {
	r = Relation{Name: n, Status: Status(have.At(cssPath(n.key())).Value)}
	if r.Match, err = decodeMatch(have, n); err != nil {
		return Relation{Name: n}, err
	}
	if r.Partitioning, err = decodePartitioning(have, n); err != nil {
		return Relation{Name: n}, err
	}
	return r, nil
}

// untied are the keys of a table that have nothing to do with other tables: its chunks, and what comes after its
// partitioning.
func untied(n TableName) []kv.Span {
	chunks, end := cssPath(n.chunksKey()), cssPath(n.key())+"0"
	return []kv.Span{{From: chunks, To: chunks + "0"}, {From: cssPath(n.partKey()) + "0", To: end}}
}

// beyondTies leaves those out. It is asked for each key, so it builds no hole that the key does not lie in.
func beyondTies(p kv.Path) (kv.Span, bool) {
	n, rest, ok := tableOf(p)
	if !ok || rest < "/CHUNKS" {
		return kv.Span{}, false
	}
	switch {
	case rest < "/CHUNKS0":
		return untied(n)[0], true
	case rest >= "/partitioning0":
		return untied(n)[1], true
	}
	return kv.Span{}, false
}
