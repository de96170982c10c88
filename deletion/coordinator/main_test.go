package coordinator_test

import (
	"testing"

	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

const within = fleettest.Within

var ok, errOf = testkit.OK, testkit.Err

var object = fleettest.Object

type fleet struct{ *fleettest.Fleet }

func newFleet(t testing.TB) *fleet {
	t.Helper()
	return &fleet{fleettest.New(t)}
}
