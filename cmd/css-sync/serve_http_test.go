package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

func TestHTTPUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	short, none := file("short", "name secret\n"), file("none", "# secret\n")
	three := file("three", "a b secretsecretsecret\n")
	twice := file("twice", "a 0123456789abcdef\r\n\r\nb 0123456789abcdef\r\n")
	hash := file("hash", "\ufeff# one\n0123456789abcdef #0123456789abcdef\n")
	wide := file("wide", "a sécret-of-some-length\n")
	const serve = "serve --no-mirror --listen-http "
	elsewhere(t).RefusesAll(cli.ExitInvalid, map[string]string{
		serve + "0.0.0.0:0":                              "answers other machines, and without TLS",
		serve + ":0":                                     "answers other machines, and without TLS",
		serve + "example.org:0":                          "answers other machines, and without TLS",
		serve + "nowhere":                                "is none of host:port, unix:///path and off",
		serve + "unix://s":                               "a path that begins with a slash",
		serve + "off --http-cert c":                      "--http-cert is for HTTP, which --listen-http turns off",
		serve + "127.0.0.1:0 --http-cert c":              "--http-cert and --http-key belong together",
		serve + "127.0.0.1:0 --http-client-ca c":         "--http-client-ca is for TLS",
		serve + "127.0.0.1:0 --http-cert c --http-key k": "--http-cert: open c",
		serve + "127.0.0.1:0 --http-token-file " + short: "line 1: the token has less than 16 characters",
		serve + "127.0.0.1:0 --http-token-file " + none:  "there is no token in the file",
		serve + "127.0.0.1:0 --http-token-file " + three: "line 1: a line is TOKEN, or NAME TOKEN",
		serve + "127.0.0.1:0 --http-token-file " + twice: "line 3: the token is that of line 1",
		serve + "127.0.0.1:0 --http-token-file " + hash:  "line 2: the token must be of printable ASCII and not begin with #",
		serve + "127.0.0.1:0 --http-token-file " + wide:  "line 1: the token must be of printable ASCII",
	})
}

// TestServeAnswersHTTP as a process: who may do what, a port that is taken, and what SIGHUP changes.
func TestServeAnswersHTTP(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	clitest.Fill(c.OK)
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "s"), filepath.Join(dir, "tokens")
	require.NoError(t, os.WriteFile(file, []byte("# who may write\nfirst firstfirstfirst1\n"), 0o600))
	c.Env[clitest.ListenHTTP] = "unix://" + socket
	serve := c.Process("serve", "--no-mirror", "--http-token-file", file)
	client := clientOf(socket)
	ask := func(path string) (int, string) {
		got, err := client.Get("http://css" + path)
		if err != nil {
			return 0, ""
		}
		defer got.Body.Close()
		text, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		return got.StatusCode, string(text)
	}
	clitest.Await(t, func() bool { code, _ := ask("/readyz"); return code == http.StatusOK })
	_, table := ask("/v1/tables/LSST/Object")
	assert.JSONEq(t, c.OK("table show LSST.Object -w json"), table, "one form for both")
	code, text := ask("/v1/status")
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, text, `"css_version":"1"`)
	_, text = ask("/metrics")
	assert.Contains(t, text, "css_sync_build_info{")

	other := c.Process("serve", "--no-mirror")
	assert.Equal(t, cli.ExitError, other.Wait())
	assert.Contains(t, other.String(), "another process listens at "+socket)
	assert.Contains(t, other.String(), "hint: CSS_SYNC_LISTEN_HTTP says where to listen")

	require.NoError(t, os.WriteFile(file, []byte("short\n"), 0o600))
	serve.Signal(syscall.SIGHUP)
	serve.Await("css-sync goes on as it was")
	assert.NotContains(t, serve.String(), "short\n")
	require.NoError(t, os.WriteFile(file, []byte("second secondsecondsecond2\n"), 0o600))
	serve.Signal(syscall.SIGHUP)
	serve.Await("begins again with what its files say now")
	clitest.Await(t, func() bool { code, _ := ask("/readyz"); return code == http.StatusOK })
	assert.Equal(t, 1, strings.Count(serve.String(), "HTTP is answered"), "the door stayed open")
	serve.Stop()
}

// TestTakenPort is said by name.
func TestTakenPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c := onEtcd(t)
	c.Refuses(cli.ExitError, "address already in use ... --listen-http says where to listen; off is nowhere",
		"serve", "--no-mirror", "--listen-http", l.Addr().String())
}
