package testkit

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/mariadbd"
)

func TestMain(m *testing.M) { Main(m) }

func TestServersCloseWithTheTest(t *testing.T) {
	var servers []*embedetcd.Server
	t.Run("uses the servers", func(t *testing.T) {
		servers = append(Cluster(t, 3), Etcd(t, embedetcd.Options{}))
		for _, s := range servers {
			c, err := s.Client()
			require.NoError(t, err)
			defer c.Close()
			_, err = c.Put(t.Context(), "k", "v")
			require.NoError(t, err)
		}
	})
	for _, s := range servers {
		require.ErrorIs(t, s.Restart(t.Context()), embedetcd.ErrClosed)
	}
}

func TestMariaDBClosesWithTheTest(t *testing.T) {
	RequireMariaDB(t)
	var s *mariadbd.Server
	t.Run("uses the server", func(t *testing.T) {
		s = MariaDB(t, mariadbd.Options{})
		db, err := sql.Open("mysql", s.DSN(""))
		require.NoError(t, err)
		defer db.Close()
		require.NoError(t, db.PingContext(t.Context()))
	})
	assert.Zero(t, s.PID())
	assert.NoDirExists(t, s.Dir())
}

func TestSharedServersAreOneEach(t *testing.T) {
	assert.Same(t, SharedEtcd(), SharedEtcd())
	assert.Same(t, SharedMariaDB(t), SharedMariaDB(t))
}

func TestLeakIsFound(t *testing.T) {
	held := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-held
	}()
	assert.Error(t, awaitNoLeak(time.Millisecond, nil))
	close(held)
	<-done
}
