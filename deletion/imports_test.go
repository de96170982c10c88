package deletion_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a czar imports brings neither a coordinator, nor what removes data, nor a MySQL driver.
func TestCzarsImportNoCoordinator(t *testing.T) {
	deps, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".", "../examples/czar").Output()
	require.NoError(t, err)
	assert.NotRegexp(t, "mysql|sqldrop|coordinator|leader", string(deps))
}
