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

	"github.com/qserv/css-etcd/internal/cli/clitest"
)

// TestServeBeginsAgainAtSIGHUP: a new password is taken from its file; a file that cannot be used changes nothing; and
// no lease is left behind for which another daemon would have to wait.
func TestServeBeginsAgainAtSIGHUP(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.Ok)
	c.Ok("mirror --once")
	file := filepath.Join(t.TempDir(), "dsn")
	secret := func(password string) {
		require.NoError(t, os.WriteFile(file, []byte("m:"+password+"@unix("+server.Socket()+")/"), 0o600))
	}
	clitest.Execute(t, server, "CREATE USER m@localhost IDENTIFIED BY 'old'", "GRANT ALL ON qservCssData.* TO m@localhost")
	secret("old")
	serve := c.Process("serve", "--mysql-dsn-file", file)
	serve.Await(`msg="mirror follows etcd"`)

	require.NoError(t, os.WriteFile(file, []byte("mysql://m:Sec@ret@localhost/"), 0o600))
	serve.Signal(syscall.SIGHUP)
	serve.Await("css-sync goes on as it was")
	assert.NotContains(t, serve.String(), "Sec")
	c.Ok("db create Meanwhile")
	awaitAgreement(c)

	clitest.Execute(t, server, "ALTER USER m@localhost IDENTIFIED BY 'new'")
	secret("new")
	serve.Signal(syscall.SIGHUP)
	serve.Await("begins again with what its files say now")
	serve.AwaitN(`msg="mirror follows etcd"`, 2)
	c.Ok("db create Afterwards")
	awaitAgreement(c)

	serve.Stop()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.Env["CSS_SYNC_ENDPOINTS"]}})
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
	serve := c.Process("serve", "--no-mirror", "--data-dir", filepath.Join(dir, "etcd"), "--listen-client", socket)
	serve.Await(`msg="drops are carried out"`)
	serve.Signal(syscall.SIGHUP)
	serve.AwaitN(`msg="drops are carried out"`, 2)
	assert.Equal(t, 1, strings.Count(serve.String(), "etcd runs in this process"))
	c.Ok("db", "create", "D", "--endpoints", socket)
	serve.Stop()
}
