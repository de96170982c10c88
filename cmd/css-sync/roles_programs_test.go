package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/roles"
)

// agent starts an agent, and lets it answer all that it does.
func (w *world) agent() (end func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	socket := filepath.Join(w.t.TempDir(), "s")
	agent := w.as("agent").Start(ctx, "agent", "--socket", socket)
	agent.Await(`msg="agent started"`)
	client := clientOf(socket)
	for _, path := range []string{"/readyz", "/v1/databases", "/v1/tables/LSST/Object", "/v1/nodes", "/v1/families",
		"/v1/css/DBS", "/v1/snapshot", "/v1/drops", "/v1/czars", "/v1/snapshot?revision=2"} {
		got, err := client.Get("http://css" + path)
		require.NoError(w.t, err)
		text, err := io.ReadAll(got.Body)
		require.NoError(w.t, errors.Join(err, got.Body.Close()))
		assert.Equal(w.t, http.StatusOK, got.StatusCode, "%s: %s", path, text)
	}
	return func() { cancel(); agent.Ends() }
}

// clientOf returns a client of who answers at a socket.
func clientOf(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
}

// writeOverHTTP lets a daemon take writes, and tell who made them.
func (w *world) writeOverHTTP() {
	t := w.t
	dir := t.TempDir()
	socket, tokens := filepath.Join(dir, "s"), filepath.Join(dir, "tokens")
	require.NoError(t, os.WriteFile(tokens, []byte("ops 0123456789abcdef\n"), 0o600))
	czar := w.czar()
	defer czar.view.Close()
	defer func() { assert.NoError(t, czar.Close(t.Context())) }()
	serve, end := w.serve("http", "--no-mirror", "--no-drops", "--compact=off", "--listen-http", "unix://"+socket,
		"--http-token-file", tokens)
	client := clientOf(socket)
	clitest.Await(t, func() bool {
		got, err := client.Get("http://css/readyz")
		return err == nil && got.Body.Close() == nil && got.StatusCode == http.StatusOK
	}, serve.String())
	for _, line := range []string{
		"DELETE /v1/czars/" + clitest.JSON[[]form.Czar](w.as("reader"), "drops czars")[0].ID,
		`PUT /v1/nodes/over-http {"host":"h","port":1}`,
		`PUT /v1/databases/OverHTTP {"striping":{"stripes":340,"sub_stripes":3,"overlap":0.01}}`,
		`PUT /v1/tables/OverHTTP/T {"schema":"(id INT)"}`, `PUT /v1/tables/LSST/Object/chunks/77 {"nodes":["over-http"]}`,
		"DELETE /v1/tables/OverHTTP/T?after=3600", "POST /v1/drops/OverHTTP.T/cancel", "GET /v1/log", "GET /v1/status",
		"GET /v1/drops", "GET /v1/czars",
	} {
		words := strings.SplitN(line, " ", 3)
		r, err := http.NewRequestWithContext(t.Context(), words[0], "http://css"+words[1],
			strings.NewReader(strings.Join(words[2:], "")))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer 0123456789abcdef")
		r.Header.Set("Content-Type", "application/json")
		if words[0] == http.MethodPut {
			r.Header.Set("Idempotency-Key", line)
		}
		got, err := client.Do(r)
		require.NoError(t, err)
		text, err := io.ReadAll(got.Body)
		require.NoError(t, errors.Join(err, got.Body.Close()))
		assert.Less(t, got.StatusCode, 300, "%s: %s", line, text)
	}
	end()
}

// TestGateThatIsRefused: a czar whose user lacks something that every czar needs is told so when it opens its gate.
func TestGateThatIsRefused(t *testing.T) {
	t.Parallel()
	g := startGuarded(t)
	clitest.Fill(g.as("").OK)
	needs := slices.DeleteFunc(roles.RoleOf(roles.Czar, "/qserv", "").Permissions, func(p roles.Permission) bool {
		later := []string{"/qserv/drop", "/qserv/ack", "/qserv/inventory"} // with the first drop, or question for workers
		return slices.ContainsFunc(later, func(key string) bool { return strings.HasPrefix(p.Key, key) })
	})
	named := map[string][]string{}
	for _, without := range needs {
		user := "without " + without.Key
		named[user] = []string{user}
		require.NoError(t, roles.Apply(t.Context(), g.client(""), roles.Plan(nil, []roles.Role{{Name: user,
			Permissions: slices.DeleteFunc(roles.RoleOf(roles.Czar, "/qserv", "").Permissions, func(p roles.Permission) bool {
				return p == without
			})}}, "/qserv"), func(roles.Step) {}))
	}
	g.guard(named)
	for user := range named {
		err := openGate(t, g.client(user))
		require.ErrorIs(t, err, cssetcd.ErrUnauthorized, user)
		require.NotErrorIs(t, err, context.DeadlineExceeded, user)
	}
}

// openGate opens a gate and closes it.
func openGate(t *testing.T, etcd *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(t.Context(), clitest.Patience)
	defer cancel()
	css, err := cssetcd.New(ctx, etcd)
	if err != nil {
		return err
	}
	view, err := cssetcd.OpenView(ctx, css)
	if err != nil {
		return err
	}
	defer view.Close()
	gate, err := deletion.OpenGate(ctx, css, view, deletion.CzarName("czar"))
	if err != nil {
		return err
	}
	return gate.Close(ctx)
}
