package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
)

// TestServeBeginsAgainAtSIGHUP: a new password is taken from its file; a file that cannot be used changes nothing; and
// no lease is left behind for which another daemon would have to wait.
func TestServeBeginsAgainAtSIGHUP(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	fill(c)
	c.ok("mirror", "--once")
	file := filepath.Join(t.TempDir(), "dsn")
	secret := func(password string) {
		require.NoError(t, os.WriteFile(file, []byte("m:"+password+"@unix("+server.Socket()+")/"), 0o600))
	}
	execute(t, server, "CREATE USER m@localhost IDENTIFIED BY 'old'", "GRANT ALL ON qservCssData.* TO m@localhost")
	secret("old")
	serve := c.process("serve", "--mysql-dsn-file", file)
	serve.await(t, `msg="mirror follows etcd"`)

	require.NoError(t, os.WriteFile(file, []byte("mysql://m:Sec@ret@localhost/"), 0o600))
	serve.signal(t, syscall.SIGHUP)
	serve.await(t, "css-sync goes on as it was")
	assert.NotContains(t, serve.text(), "Sec")
	c.ok("db", "create", "Meanwhile")
	c.awaitAgreement()

	execute(t, server, "ALTER USER m@localhost IDENTIFIED BY 'new'")
	secret("new")
	serve.signal(t, syscall.SIGHUP)
	serve.await(t, "begins again with what its files say now")
	serve.awaitN(t, `msg="mirror follows etcd"`, 2)
	c.ok("db", "create", "Afterwards")
	c.awaitAgreement()

	serve.signal(t, syscall.SIGTERM)
	assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.environment["CSS_SYNC_ENDPOINTS"]}})
	require.NoError(t, err)
	defer etcd.Close()
	leases, err := etcd.Leases(t.Context())
	require.NoError(t, err)
	assert.Empty(t, leases.Leases)
}

// TestOwnEtcdGoesOnAtSIGHUP: only what uses it begins again.
func TestOwnEtcdGoesOnAtSIGHUP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := "unix://" + filepath.Join(dir, "s")
	c := elsewhere(t)
	serve := c.process("serve", "--no-mirror", "--data-dir", filepath.Join(dir, "etcd"), "--listen-client", socket)
	serve.await(t, `msg="drops are carried out"`)
	serve.signal(t, syscall.SIGHUP)
	serve.awaitN(t, `msg="drops are carried out"`, 2)
	assert.Equal(t, 1, strings.Count(serve.text(), "etcd runs in this process"))
	c.ok("db", "create", "D", "--endpoints", socket)
	serve.signal(t, syscall.SIGTERM)
	assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())
}
