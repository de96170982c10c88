package embedetcdtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
)

func TestMain(m *testing.M) { Main(m) }

func TestForTestClosesTheServersWithTheTest(t *testing.T) {
	var servers []*embedetcd.Server
	t.Run("uses the servers", func(t *testing.T) {
		servers = append(ClusterForTest(t, 3), ForTest(t, embedetcd.Options{}))
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
