package mariadbd

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMissingProgramsAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	saved := extraDirs
	t.Cleanup(func() { extraDirs = saved })
	extraDirs = []string{t.TempDir()}

	err := Installed()
	require.ErrorIs(t, err, ErrNotInstalled)
	assert.ErrorContains(t, err, "mariadb-server")
	_, err = Start(t.Context(), Options{})
	require.ErrorIs(t, err, ErrNotInstalled)
}
