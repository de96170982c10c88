package deletion_test

import (
	"testing"

	"os/exec"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

const within = fleettest.Within

var ok, errOf = testkit.OK, testkit.Err

var (
	quick  = fleettest.Quick
	object = fleettest.Object
	source = fleettest.Source
	other  = fleettest.Other
	// director and what it is the director of are created by those tests that need them.
	director, child = fleettest.Director, cssetcd.TableName{DB: "Gaia", Table: "Child"}
)

type fleet struct{ *fleettest.Fleet }

func newFleet(t testing.TB) *fleet {
	t.Helper()
	return &fleet{fleettest.New(t)}
}

// steady returns a fleet whose czars are not taken for dead, however slow the machine is.
func steady(t testing.TB) *fleet {
	t.Helper()
	f := newFleet(t)
	ok(t)(f.SetTiming(t.Context(), fleettest.Steady))
	return f
}

// withCzar returns the fleet with a coordinator and a czar.
func (f *fleet) withCzar() (*fleet, *fleettest.Czar) {
	f.T.Helper()
	f.Coordinate()
	return f, f.Czar("one")
}

// What a czar imports brings neither a coordinator, nor what removes data, nor a MySQL driver.
func TestCzarsImportNoCoordinator(t *testing.T) {
	deps, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".", "../examples/czar").Output()
	require.NoError(t, err)
	assert.NotRegexp(t, "mysql|sqldrop|coordinator|leader", string(deps))
}
