package daemon

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
)

// TestTakenDefault: a port that nobody asked for may be taken; one that somebody asked for may not.
func TestTakenDefault(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var log bytes.Buffer
	p := cli.NewProgram(cli.About{}, nil, io.Discard, io.Discard, func(string) string { return "" })
	p.Log = slog.New(slog.NewTextHandler(&log, nil))
	config := HTTP{Listen: l.Addr().String(), Flag: "--listen-http", Unsaid: true}
	door, err := openDoor(p, config)
	require.NoError(t, err)
	assert.Nil(t, door)
	assert.Contains(t, log.String(), "HTTP is not answered")
	assert.Contains(t, log.String(), "--listen-http says where to listen, or off")

	config.Unsaid = false
	_, err = openDoor(p, config)
	assert.ErrorContains(t, err, "address already in use")
}
