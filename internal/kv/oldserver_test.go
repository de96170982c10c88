package kv_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/freeport"
	"github.com/qserv/css-etcd/internal/kv"
)

// TestOldServer (V11) with Debian's etcd 3.4: it is refused, by name and version; one that does not answer is left out,
// and ours is taken.
func TestOldServer(t *testing.T) {
	t.Parallel()
	program := oldEtcd(t)
	port := must(freeport.Pick())(t)
	peer := must(freeport.Pick())(t)
	old := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	cmd := exec.Command(program, "--data-dir", t.TempDir(), "--listen-client-urls", old, "--advertise-client-urls", old,
		"--listen-peer-urls", "http://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(peer)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	client := newClient(t, old)
	var version string
	require.Eventually(t, func() bool {
		s, err := client.Status(t.Context(), old)
		if err == nil {
			version = s.Version
		}
		return err == nil
	}, soon, 20*time.Millisecond)
	if !strings.HasPrefix(version, "3.4.") {
		t.Skipf("Debian has etcd %s now", version)
	}
	err := storeOn(t, client).CheckServers(t.Context())
	require.ErrorIs(t, err, kv.ErrOldServer)
	require.ErrorContains(t, err, version)
	require.ErrorContains(t, err, old)

	ours := newServer(t, embedetcd.Options{}).Endpoints()[0]
	client.SetEndpoints(ours, old)
	require.ErrorIs(t, storeOn(t, client).CheckServers(t.Context()), kv.ErrOldServer, "one of them is old")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.NoError(t, storeOn(t, client).CheckServers(t.Context()), "who does not answer is left out")
	t.Logf("refused version %s", version)
}

// oldEtcd returns the program of Debian's etcd, which is unpacked and not installed.
func oldEtcd(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	get := exec.CommandContext(t.Context(), "apt-get", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10",
		"download", "etcd-server")
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		t.Skipf("Debian's etcd cannot be had here: %v: %s", err, out)
	}
	packages := must(filepath.Glob(filepath.Join(dir, "*.deb")))(t)
	require.Len(t, packages, 1)
	out, err := exec.CommandContext(t.Context(), "dpkg", "-x", packages[0], dir).CombinedOutput()
	require.NoError(t, err, string(out))
	program := filepath.Join(dir, "usr", "bin", "etcd")
	_, err = os.Stat(program)
	assert.NoError(t, err)
	return program
}
