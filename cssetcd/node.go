package cssetcd

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Node reads one node. It returns ErrNoSuchNode.
func (c *Client) Node(ctx context.Context, name string) (*Node, error) {
	return read(ctx, c, "read node", name, nodeSpans(name), func(have *kv.Snapshot) (*Node, error) {
		return decodeNode(have, name)
	})
}

// AddNode adds a node. The zero State stands for ACTIVE, the zero Type for DefaultNodeType. It returns ErrNodeExists,
// also for a name that differs from another in case only.
func (c *Client) AddNode(ctx context.Context, n Node) (Revision, error) {
	return c.do(ctx, addNode(n))
}

func addNode(n Node) operation {
	add := operation{name: "add node", object: n.Name, first: true}
	n.State, n.Type = cmp.Or(n.State, NodeActive), cmp.Or(n.Type, DefaultNodeType)
	if err := checkNode(&n); err != nil {
		return add.withError(err)
	}
	key := nodeKey(n.Name)
	return add.as(kv.Op{
		Reads: spans(keys(key, nodesKey), []kv.Span{kv.Below(cssPath(key)), kv.Key(foldPath(key))}),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if have.At(cssPath(key)).Exists() {
				return kv.Change{}, ErrNodeExists
			}
			if err := checkSpelling(have, key, ErrNodeExists); err != nil {
				return kv.Change{}, err
			}
			e := newEdit(have)
			e.setRows(encodeNode(&n))
			e.name(key)
			err := e.nothingBelow(key)
			return e.change, err
		},
	})
}

func checkNode(n *Node) error {
	if err := checkName("node", n.Name); err != nil {
		return err
	}
	if n.Port < 0 || n.Port > 65535 {
		return fmt.Errorf("%w: port %d", ErrInvalid, n.Port)
	}
	return checkRows(encodeNode(n))
}

// SetNodeState writes the state of a node. It returns ErrNoSuchNode. Takes IfStatus, which looks at the state, and
// IfRevision.
func (c *Client) SetNodeState(ctx context.Context, name string, s NodeState, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, setNodeState(name, s, opts))
}

func setNodeState(name string, s NodeState, opts []WriteOption) operation {
	return operation{name: "set state of node", object: name}.withError(checkPart("node", name)).
		setting(nodeThing(name), string(s), opts, func(*kv.Snapshot) error { return ErrNoSuchNode })
}

// DeleteNode removes a node that holds no replica. It returns ErrNoSuchNode, or ErrNodeInUse with the first chunk
// found. It looks through every key below /DBS, some microseconds each, and keeps none of them; whoever adds a chunk on
// the node meanwhile makes it look again, because both write ref/<node>. In a [Batch], what keeps the node in use is
// kept until all of the batch is planned. Takes IfStatus and IfRevision.
func (c *Client) DeleteNode(ctx context.Context, name string, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, deleteNode(name, opts))
}

func deleteNode(name string, opts []WriteOption) operation {
	remove := operation{name: "delete node", object: name}.withError(checkPart("node", name))
	o, err := writeOptionsOf(opts, "IfStatus", "IfRevision")
	if err != nil {
		return remove.withError(err)
	}
	key := nodeKey(name)
	return remove.as(kv.Op{
		Reads: spans(o.reads(nodeThing(name)), spellingTree(key), []kv.Span{kv.Key(refRoot + "/" + kv.Path(name))}),
		Scans: []kv.Scan{{Span: replicasSpan, First: true, Keep: func(p kv.Path, value string) bool {
			return mayName(value, name) && csskey.NodeOfReplica(cssKey(p), value) == name
		}}},
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if !have.At(cssPath(key)).Exists() {
				return kv.Change{}, ErrNoSuchNode
			}
			if err := o.permits(have, nodeThing(name)); err != nil {
				return kv.Change{}, err
			}
			if err := checkUnused(have, name); err != nil {
				return kv.Change{}, err
			}
			out := newEdit(have)
			out.forget(key)
			out.change.Deletes = append(out.change.Deletes, kv.Key(refRoot+"/"+kv.Path(name)))
			return out.change, nil
		},
	})
}

// replicasSpan is where replicas are, among all else of databases.
var replicasSpan = kv.Below(cssPath(dbsKey))

// checkUnused looks for a replica on the node, among those that a scan has found.
func checkUnused(have *kv.Snapshot, node string) error {
	for p, e := range have.Sifted(replicasSpan) {
		key := cssKey(p)
		if csskey.NodeOfReplica(key, e.Value) == node {
			return fmt.Errorf("%w: %s", ErrNodeInUse, parentKey(key))
		}
	}
	return nil
}

// mayName is a quick look for what a value that names a node has: the name, or escapes.
func mayName(value, node string) bool {
	return strings.Contains(value, node) || strings.Contains(value, `\`)
}
