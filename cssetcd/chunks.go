package cssetcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qserv/css-etcd/internal/kv"
)

// AddChunks adds the replicas of many chunks, in their order and in as few transactions as etcd's limits allow. Of each
// chunk all replicas appear at once. A node that has a chunk already is passed over, so the same call continues one
// that was interrupted. All arguments are checked before anything is written; a node that is unknown, or a table
// without chunks, ends it where it is met, with the chunks before that in place. It returns the revision of the last
// transaction, 0 when there was nothing to add, and the errors of [Client.AddChunk].
func (c *Client) AddChunks(ctx context.Context, n TableName, chunks ...Chunk) (Revision, error) {
	if err := checkChunks(n, chunks); err != nil {
		return c.do(ctx, addMissing(n, chunks).withError(err))
	}
	var last Revision
	for len(chunks) > 0 {
		together := fitting(chunks)
		rev, err := c.addTogether(ctx, n, chunks[:together])
		last = max(last, rev)
		if err != nil {
			return last, err
		}
		chunks = chunks[together:]
	}
	return last, nil
}

// addTogether adds chunks in one transaction; in more where etcd was set to take less in one.
func (c *Client) addTogether(ctx context.Context, n TableName, chunks []Chunk) (Revision, error) {
	rev, err := c.do(ctx, addMissing(n, chunks))
	if !errors.Is(err, ErrTooLarge) || len(chunks) == 1 {
		return rev, err
	}
	half := len(chunks) / 2
	first, err := c.addTogether(ctx, n, chunks[:half])
	if err != nil {
		return first, err
	}
	second, err := c.addTogether(ctx, n, chunks[half:])
	return max(first, second), err
}

// fitting returns how many of the chunks, at least one, go into a transaction.
func fitting(chunks []Chunk) int {
	puts := 0
	for i, chunk := range chunks {
		if puts += 2 + 2*len(chunk.Nodes); puts > restorePuts && i > 0 {
			return i
		}
	}
	return len(chunks)
}

// checkChunks returns the first thing that is wrong with what is asked.
func checkChunks(n TableName, chunks []Chunk) error {
	if err := n.checkParts(); err != nil {
		return err
	}
	known := make(map[int]bool, len(chunks))
	for _, chunk := range chunks {
		if err := checkInt32("chunk", chunk.ID, 0); err != nil {
			return err
		}
		if err := addChunk(n, chunk.ID, chunk.Nodes).err; err != nil {
			return fmt.Errorf("chunk %d: %w", chunk.ID, err)
		}
		if known[chunk.ID] {
			return fmt.Errorf("%w: the chunk %d is named twice", ErrInvalid, chunk.ID)
		}
		known[chunk.ID] = true
	}
	return nil
}

// addMissing adds those replicas of chunks that are not there.
func addMissing(n TableName, chunks []Chunk) operation {
	add := operation{name: "add chunks", object: "of " + n.String()}
	if len(chunks) == 0 {
		return add.as(kv.Op{Plan: func(*kv.Snapshot) (kv.Change, error) { return kv.Change{}, errUnchanged }})
	}
	reads := partitionedSpans(n)
	for _, chunk := range chunks {
		key := n.chunkKey(chunk.ID)
		reads = append(reads, spans(keys(key), ancestorSpans(key), []kv.Span{kv.Below(cssPath(key))})...)
		for _, node := range chunk.Nodes {
			reads = append(reads, kv.Key(cssPath(nodeKey(node))))
		}
	}
	return add.as(kv.Op{Reads: spans(reads), Plan: func(have *kv.Snapshot) (kv.Change, error) {
		e := newEdit(have)
		for _, chunk := range chunks {
			missing := withoutReplica(have, n, chunk)
			if err := checkNewReplicas(have, n, chunk.ID, missing); err != nil {
				return kv.Change{}, fmt.Errorf("chunk %d: %w", chunk.ID, err)
			}
			if len(missing) == 0 {
				continue
			}
			if err := e.addReplicas(n.chunkKey(chunk.ID), missing); err != nil {
				return kv.Change{}, fmt.Errorf("chunk %d: %w", chunk.ID, err)
			}
		}
		if !e.change.Writes() {
			return kv.Change{}, errUnchanged
		}
		return e.change, nil
	}})
}

// withoutReplica returns those of the chunk's nodes that have no replica of it.
func withoutReplica(have *kv.Snapshot, n TableName, chunk Chunk) []string {
	there := replicaNodes(have, n, chunk.ID)
	return slices.DeleteFunc(slices.Clone(chunk.Nodes), func(node string) bool { return there[node] })
}
