package coordinator

import (
	"context"
	"errors"
	"slices"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// executeAll passes the points of no return of tables, many in a transaction: each that etcd makes is one more for
// every czar to follow.
func (c *Coordinator) executeAll(lead *leadership, all []protocol.Action) {
	for part := range slices.Chunk(all, protocol.MaxExecutions) {
		c.executeTogether(lead, part)
	}
}

// executeTogether passes some in one transaction. Where that is refused, because of one of them perhaps, each is tried
// by itself.
func (c *Coordinator) executeTogether(lead *leadership, part []protocol.Action) {
	ctx, cancel := context.WithTimeout(lead.ctx, readLimit)
	defer cancel()
	var described []protocol.Execution
	for _, a := range part {
		tables, err := c.describe(ctx, a.Mark, a.Name)
		if err != nil {
			c.report(lead, a, err)
			continue
		}
		described = append(described, protocol.Execution{Action: a, Tables: tables})
	}
	if len(described) == 0 {
		return
	}
	_, err := c.store.Commit(ctx, lead.ExecuteAll(described))
	if len(described) > 1 && (errors.Is(err, kv.ErrGuard) || errors.Is(err, kv.ErrTooLarge)) {
		for _, e := range described {
			c.act(lead, e.Action)
		}
		return
	}
	for _, e := range described {
		c.report(lead, e.Action, err)
	}
}
