package cssetcd

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/packed"
)

// Chunks reads the chunks of a table, in the order of their ids, from one read at one revision, which costs the read of
// every key of every chunk. It returns ErrNoSuchTable.
func (c *Client) Chunks(ctx context.Context, n TableName) (iter.Seq2[Chunk, error], error) {
	reads := spans(keys(n.key(), dbKey(n.DB)), []kv.Span{kv.Below(cssPath(n.chunksKey()))})
	return read(ctx, c, "read chunks of table", n.String(), reads,
		func(have *kv.Snapshot) (iter.Seq2[Chunk, error], error) {
			if !have.At(cssPath(n.key())).Exists() || n.checkParts() != nil {
				return nil, noTable(have, n)
			}
			return decodeChunks(have, n), nil
		})
}

// AddChunk adds replicas of a chunk on the given nodes, and the chunk when it is not there. It returns ErrNoSuchTable,
// ErrNoSuchNode when one of the nodes is not there, and ErrInvalid for a table that is not partitioned, and for a node
// that is named twice or has a replica of the chunk.
func (c *Client) AddChunk(ctx context.Context, n TableName, id int, nodes ...string) (Revision, error) {
	return c.do(ctx, addChunk(n, id, nodes))
}

func addChunk(n TableName, id int, nodes []string) operation {
	add := operation{name: "add chunk", object: fmt.Sprintf("%d of %s", id, n)}.withError(n.checkParts())
	if err := checkInt32("chunk", id, 0); err != nil {
		return add.withError(err)
	}
	if len(nodes) == 0 {
		return add.withError(fmt.Errorf("%w: no node is named", ErrInvalid))
	}
	chunk := n.chunkKey(id)
	if err := checkKey(chunk + "/REPLICAS/0000000001/" + packedName); err != nil {
		return add.withError(err)
	}
	var nodeKeys []string
	for i, node := range nodes {
		if err := checkPart("node", node); err != nil {
			return add.withError(err)
		}
		if slices.Contains(nodes[:i], node) {
			return add.withError(fmt.Errorf("%w: the node %s is named twice: it has a chunk once", ErrInvalid, node))
		}
		nodeKeys = append(nodeKeys, nodeKey(node))
	}
	return add.as(kv.Op{
		Reads: spans(keys(chunk), ancestorSpans(chunk), []kv.Span{kv.Below(cssPath(chunk))}, partitionedSpans(n),
			keys(nodeKeys...)),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if err := checkNewReplicas(have, n, id, nodes); err != nil {
				return kv.Change{}, err
			}
			e := newEdit(have)
			err := e.addReplicas(chunk, nodes)
			return e.change, err
		},
	})
}

// checkNewReplicas fails unless the table has chunks, and each node is there and without a replica of the chunk.
func checkNewReplicas(have *kv.Snapshot, n TableName, id int, nodes []string) error {
	if !have.At(cssPath(n.key())).Exists() {
		return noTable(have, n)
	}
	if !isPartitioned(have, n) {
		return fmt.Errorf("%w: the table is not partitioned and has no chunks: every worker holds it whole", ErrInvalid)
	}
	there := replicaNodes(have, n, id)
	for _, node := range nodes {
		switch {
		case !have.At(cssPath(nodeKey(node))).Exists():
			return fmt.Errorf("%w %s", ErrNoSuchNode, node)
		case there[node]:
			return fmt.Errorf("%w: the node %s has a replica of the chunk", ErrInvalid, node)
		}
	}
	return nil
}

// replicaNodes are those that have the chunk.
func replicaNodes(have *kv.Snapshot, n TableName, id int) map[string]bool {
	there := map[string]bool{}
	replicas := n.chunkKey(id) + "/REPLICAS"
	for name := range children(have, replicas) {
		there[readRecord(have, replicas+"/"+name).text("nodeName")] = true // one that cannot be read is in nobody's way
	}
	return there
}

// addReplicas puts one replica for each node, numbered from the highest there is.
func (e *edit) addReplicas(chunk string, nodes []string) error {
	first, err := nextID(e.have, chunk+"/REPLICAS", "", len(nodes))
	if err != nil {
		return err
	}
	for i, node := range nodes {
		replica := fmt.Sprintf("%s/REPLICAS/%s", chunk, formatID(first+i))
		e.set(replica, "")
		e.set(packedKey(replica), packed.Format(map[string]string{"nodeName": node}))
	}
	return nil
}

// DeleteChunk removes a chunk with all its replicas. It returns ErrNoSuchTable, and ErrNoSuchChunk.
func (c *Client) DeleteChunk(ctx context.Context, n TableName, id int) (Revision, error) {
	return c.do(ctx, deleteChunk(n, id))
}

func deleteChunk(n TableName, id int) operation {
	chunk := n.chunkKey(id)
	return operation{name: "delete chunk", object: fmt.Sprintf("%d of %s", id, n)}.withError(n.checkParts()).as(kv.Op{
		Reads: keys(dbKey(n.DB), n.key(), chunk),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			switch {
			case !have.At(cssPath(n.key())).Exists():
				return kv.Change{}, noTable(have, n)
			case !have.At(cssPath(chunk)).Exists():
				return kv.Change{}, ErrNoSuchChunk
			}
			return kv.Change{Deletes: kv.Tree(cssPath(chunk))}, nil
		},
	})
}
