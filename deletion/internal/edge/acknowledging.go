package edge

import (
	"context"
	"errors"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// Acknowledge makes acknowledgements in one transaction. Those that do not hold any more, because a drop was taken back
// for instance, are left out. It returns those that landed.
func Acknowledge(ctx context.Context, st kv.Store, registration protocol.RegistrationContext,
	all []protocol.Acknowledgement) (landed []protocol.Acknowledgement, err error) {
	for len(all) > 0 {
		_, err := st.Commit(ctx, registration.Acknowledge(all...))
		if err == nil {
			return all, nil
		}
		if !errors.Is(err, kv.ErrGuard) {
			return nil, err
		}
		have, err := st.Fetch(ctx, 0, registration.AcknowledgeReads(all...)...)
		if err != nil {
			return nil, err
		}
		still := registration.Acknowledgeable(have, all)
		if len(still) == len(all) {
			return nil, nil // it changes at this moment
		}
		all = still
	}
	return nil, nil
}
