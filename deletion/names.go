package deletion

import (
	"context"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/wait"
)

// readAgain is the pause between two attempts to read what there is.
const readAgain = 200 * time.Millisecond

// readNames reads what there is of databases and tables after a registration, until that succeeds: see
// [protocol.Czar.Resynced]. The view had shown since before.
func (r *registrar) readNames(ctx context.Context, id string, since protocol.Revision) {
	for {
		have, err := edge.NamesIn(ctx, r.store)
		if err == nil {
			seen := protocol.CzarEvent{
				Kind: protocol.CzarSaw, ID: id, At: have.Revision, Observations: protocol.ObservationsIn(have), Whole: true,
				Since: since,
			}
			select {
			case r.answers <- answer{event: seen}:
			case <-ctx.Done():
			}
			return
		}
		if ctx.Err() == nil {
			r.log.Warn("the names in the catalogue cannot be read after registering; until they are, no query is admitted",
				"err", err)
		}
		if wait.For(ctx, readAgain) != nil {
			return
		}
	}
}
