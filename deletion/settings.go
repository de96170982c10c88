package deletion

import (
	"context"
	"crypto/rand"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Timing are the durations of the protocol, which all czars and coordinators of a catalogue share: Confirm, c, how
// often a czar proves that it is registered; Fence, H, for how long after such a proof it admits and dispatches; Wait,
// W, how long a registration is kept after it was marked to be ended; Alive, after which a czar without a word is taken
// for silent; Delay, D, that of drops that do not say otherwise.
type Timing = protocol.Timing

// DefaultTiming is what a catalogue has that was not told otherwise.
var DefaultTiming = protocol.DefaultTiming

// Timing returns the settings in etcd, or DefaultTiming. It fails with ErrTiming when they do not fit together; nothing
// coordinates by them then, and no czar registers.
func (c *Client) Timing(ctx context.Context) (Timing, error) {
	g, err := edge.ReadRegistrationContext(ctx, c.store)
	return g.Timing, failed("read the settings", "", err)
}

// SetTiming changes the settings. It fails with ErrTiming, and nothing is changed, when they do not fit together. Czars
// that are registered keep theirs until they register anew, and are waited for by theirs.
func (c *Client) SetTiming(ctx context.Context, t Timing) (cssetcd.Revision, error) {
	at, err := cssetcd.Revision(0), t.Check()
	if err == nil {
		at, err = kv.Run(ctx, c.store, protocol.SetTiming(t))
	}
	return at, failed("change the settings", "", err)
}

// ResetHistory gives etcd's history a new name. It is for the time right after etcd was restored from a backup: the
// czars that go on with what they knew before are refused, and register anew.
func (c *Client) ResetHistory(ctx context.Context) (cssetcd.Revision, error) {
	name := rand.Text()
	at, err := kv.Run(ctx, c.store, kv.Op{
		Name: "reset history", Reads: []kv.Span{kv.Key(csskey.History), kv.Key(csskey.Of(csskey.Version))},
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if !have.At(csskey.Of(csskey.Version)).Exists() {
				return kv.Change{}, cssetcd.ErrVersionMissing
			}
			return kv.Change{Puts: []kv.Put{{Path: csskey.History, Value: name}}}, nil
		},
	})
	return at, failed("reset the history", "", err)
}
