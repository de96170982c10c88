package mariadbdtest_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/mariadbd/mariadbdtest"
)

func TestForTestClosesTheServerWithTheTest(t *testing.T) {
	var s *mariadbd.Server
	t.Run("uses the server", func(t *testing.T) {
		s = mariadbdtest.ForTest(t, mariadbd.Options{})
		db, err := sql.Open("mysql", s.DSN(""))
		require.NoError(t, err)
		defer db.Close()
		require.NoError(t, db.PingContext(t.Context()))
	})
	if s == nil {
		t.Skip("the MariaDB server is not installed; `make deps` installs it")
	}
	assert.Zero(t, s.PID())
	assert.NoDirExists(t, s.Dir())
}
