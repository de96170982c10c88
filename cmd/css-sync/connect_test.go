package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/embedetcd"
)

// silent listens and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestUnreachableEtcdIsReportedWithinTheDialTimeout(t *testing.T) {
	refused, mute := clitest.Refusing(t), silent(t)
	tests := map[string]struct {
		args []string
		want string
	}{
		"refused":          {[]string{"--endpoints", refused}, "no connection to etcd: " + refused + ": connection refused"},
		"no such host":     {[]string{"--endpoints", "nothing.invalid:1"}, "nothing.invalid:1: no such host"},
		"no such socket":   {[]string{"--endpoints", "unix:///nowhere/sock"}, "no such file or directory"},
		"all of several":   {[]string{"--endpoints", refused + ",nothing.invalid:1"}, "connection refused"},
		"silent":           {[]string{"--endpoints", mute}, mute + ": something is there but does not answer as etcd"},
		"silent, with TLS": {[]string{"--endpoints", "https://" + mute}, "TLS: no answer in time"},
		"silent, a user":   {[]string{"--endpoints", mute, "--user", "a:b"}, "does not answer as etcd"},
	}
	for name, test := range tests {
		for _, command := range [][]string{{"db", "list"}, {"status"}, {"dump"}, {"watch"}, {"serve", "--no-mirror"}} {
			t.Run(name+"/"+command[0], func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				message := elsewhere(t).Fails(cli.ExitNoConnection, slices.Concat(command, []string{"--dial-timeout", "500ms"},
					test.args)...)
				assert.Contains(t, message, test.want)
				assert.Less(t, time.Since(began), 2*time.Second)
			})
		}
	}
}

func TestOneOfSeveralEndpointsIsEnough(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c := elsewhere(t)
	c.OK("db", "create", "D", "--endpoints", clitest.Refusing(t)+","+server.Endpoints()[0])
}

// withUsers turns authentication on, for root:secret and for reader:secret, who may read the CSS.
func withUsers(t *testing.T) *embedetcd.Server {
	t.Helper()
	server := clitest.StartEtcd(t)
	etcd, err := server.Client()
	require.NoError(t, err)
	defer etcd.Close()
	ctx := t.Context()
	for _, user := range []string{"root", "reader"} {
		_, err = etcd.UserAdd(ctx, user, "secret")
		require.NoError(t, err)
		_, err = etcd.RoleAdd(ctx, user)
		require.NoError(t, err)
		_, err = etcd.UserGrantRole(ctx, user, user)
		require.NoError(t, err)
	}
	_, err = etcd.RoleGrantPermission(ctx, "reader", "/qserv/", "/qserv0", clientv3.PermissionType(clientv3.PermRead))
	require.NoError(t, err)
	_, err = etcd.AuthEnable(ctx)
	require.NoError(t, err)
	return server
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	server := withUsers(t)
	at := "--endpoints=" + server.Endpoints()[0]
	// what stands in the environment, and on the command line
	tests := map[string]struct {
		given string
		code  int
		want  string
	}{
		"none":              {"", cli.ExitError, "etcd refused access"},
		"name and password": {"--user root:secret", cli.ExitOK, ""},
		"password beside":   {"--user root --password secret", cli.ExitOK, ""},
		"wrong password": {"--user root:wrong", cli.ExitError,
			"wrong name or password for user root\nhint: look at --user"},
		"wrong name":    {"--user nobody:secret", cli.ExitError, "wrong name or password for user nobody"},
		"not permitted": {"--user reader:secret", cli.ExitError, "`css-sync roles` prints the role that each part needs"},
		"no password":   {"--user root", cli.ExitInvalid, "there is no password for etcd's user root"},
		"no name":       {"--user :x", cli.ExitInvalid, "no name"},

		"own variable":              {"CSS_SYNC_USER=root CSS_SYNC_PASSWORD=secret", cli.ExitOK, ""},
		"etcdctl's variables":       {"ETCDCTL_USER=root:secret", cli.ExitOK, ""},
		"own before etcdctl's":      {"ETCDCTL_PASSWORD=wrong CSS_SYNC_PASSWORD=secret --user root", cli.ExitOK, ""},
		"the line before both":      {"CSS_SYNC_PASSWORD=wrong --user root:secret", cli.ExitOK, ""},
		"a password without a user": {"CSS_SYNC_PASSWORD=secret", cli.ExitError, "etcd refused access"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := elsewhere(t)
			args := []string{"put", "/note", name, at, "--dial-timeout=20s", "--command-timeout=60s"}
			for _, word := range strings.Fields(test.given) {
				if variable, value, ok := strings.Cut(word, "="); ok {
					c.Env[variable] = value
				} else {
					args = append(args, word)
				}
			}
			if test.code == cli.ExitOK {
				c.OK(args...)
				return
			}
			message := c.Fails(test.code, args...)
			assert.Contains(t, message, test.want)
			assert.NotContains(t, message, "secret")
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	first, second := clitest.StartEtcd(t), clitest.StartEtcd(t)
	onServer(t, first).OK("db create First")
	tested.In(t, map[string]string{"ETCDCTL_ENDPOINTS": second.Endpoints()[0]}).OK("db create Second")

	c := tested.In(t, map[string]string{
		"CSS_SYNC_ENDPOINTS": first.Endpoints()[0], "ETCDCTL_ENDPOINTS": second.Endpoints()[0], "CSS_SYNC_WRITE_OUT": "json",
	})
	c.Says(`"name": "First"`, "db show First")
	c.Says("database: ", "db", "show", "Second", "--endpoints", second.Endpoints()[0], "-w", "table")

	c.Env["CSS_SYNC_DIAL_TIMEOUT"] = "soon"
	c.Refuses(cli.ExitInvalid, `CSS_SYNC_DIAL_TIMEOUT="soon"`, "db list")
	c.Env["CSS_SYNC_DIAL_TIMEOUT"] = "20s"
	c.Env["CSS_SYNC_IF_EXISTS"], c.Env["CSS_SYNC_FORCE"] = "true", "true"
	c.Fails(cli.ExitError, "db drop Nope") // what permits something is to be said each time
	c.Env["ETCDCTL_PREFIX"] = "/other"
	c.OK("db show First") // etcdctl has no such flag
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	ca, address := tlsProxy(t, server)
	c := elsewhere(t)
	c.OK("db", "create", "D", "--endpoints", "https://"+address, "--cacert", ca)
	c.OK("db", "show", "D", "--endpoints", address, "--cacert", ca)
	c.OK("db", "show", "D", "--endpoints", address, "--insecure-skip-tls-verify")
	c.Env["ETCDCTL_CACERT"] = ca
	c.OK("db", "show", "D", "--endpoints", address)
	delete(c.Env, "ETCDCTL_CACERT")
	c.Refuses(cli.ExitInvalid, "--cert and --key belong together", "db", "list", "--cert", ca)
	c.Refuses(cli.ExitInvalid, "/nowhere/ca.pem", "db list --cacert /nowhere/ca.pem")
	plain := strings.TrimPrefix(server.Endpoints()[0], "http://")
	for want, args := range map[string][]string{
		"certificate signed by unknown authority": {"--endpoints", "https://" + address},
		"hint: if etcd wants TLS, give --cacert":  {"--endpoints", address},
		"TLS: ":                                   {"--endpoints", "https://" + plain, "--cacert", ca},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			c := elsewhere(t)
			c.Env["CSS_SYNC_DIAL_TIMEOUT"] = "20s" // all of which it takes: long enough for a handshake on a busy machine
			c.Refuses(cli.ExitNoConnection, want, append([]string{"db", "list"}, args...)...)
		})
	}
}

// tlsProxy puts TLS before an etcd that has none. It returns the file of the certificate and the address.
func tlsProxy(t *testing.T, server *embedetcd.Server) (file, address string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	target, err := url.Parse(server.Endpoints()[0])
	require.NoError(t, err)
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go relay(from, target.Host)
		}
	}()
	return file, l.Addr().String()
}

func relay(from net.Conn, target string) {
	defer from.Close()
	to, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(from, to)
}

// A command that is not answered in time says so, and its exit code is that of a lost connection.
func TestCommandTimeout(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	require.Eventually(t, func() bool { // on a busy machine etcd may answer before the clock is looked at
		r := c.Run("db show D --command-timeout 1ns")
		return r.Code == cli.ExitNoConnection && strings.Contains(r.Stderr, "no answer in time")
	}, clitest.Patience, time.Millisecond)
	c.OK("db show D --command-timeout 0")
	c.Fails(cli.ExitInvalid, "db show D --command-timeout -1s")
}

// TestAnswersOfEtcdAreHeard: the client of a command tells what arrives.
func TestAnswersOfEtcdAreHeard(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	p := c.Program(nil, io.Discard, io.Discard)
	require.Zero(t, p.Connection.Answers.Last.Load())
	require.Equal(t, cli.ExitOK, p.Run(t.Context(), []string{"version"}))
	assert.Zero(t, p.Connection.Answers.Last.Load())
	// which has no limit of its own
	require.Equal(t, cli.ExitOK, p.Run(t.Context(), []string{"dump", "-o", t.TempDir() + "/css.json"}))
	assert.NotNil(t, p.Connection.Answers.Last.Load())
}
