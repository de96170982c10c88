package freeport_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/freeport"
)

func TestPickNeverRepeatsAndCanBeListenedOn(t *testing.T) {
	seen := map[int]bool{}
	for range 100 {
		port, err := freeport.Pick()
		require.NoError(t, err)
		require.False(t, seen[port], "port %d was handed out twice", port)
		seen[port] = true
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}
