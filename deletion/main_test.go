package deletion_test

import (
	"context"
	"testing"

	"github.com/qserv/css-etcd/deletion/internal/fleettest"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

const within = fleettest.Within

var (
	quick  = fleettest.Quick
	object = fleettest.Object
	source = fleettest.Source
	other  = fleettest.Other
)

type fleet struct{ *fleettest.Fleet }

func newFleet(t testing.TB) *fleet {
	t.Helper()
	return &fleet{fleettest.New(t)}
}

func contextThatIsOver(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}
