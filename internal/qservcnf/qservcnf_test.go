package qservcnf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/qservcnf"
)

// czar is what Qserv's template becomes in an installation.
const czar = `[frontend]

xrootd=localhost:1094

#[mgmtdb]
#db=qservMeta

[css]
technology = mysql
hostname = czar-db
port = 3306
username = qsmaster
password =
database = qservCssData
socket = /qserv/data/mysql/mysql.sock

[resultdb]
passwd =
port = 3307

[log]
logConfig = /config-etc/log4cxx.czar.properties
`

func TestRead(t *testing.T) {
	tests := map[string]struct {
		text    string
		want    qservcnf.CSS
		network string
		address string
	}{
		"of an installation": {
			czar,
			qservcnf.CSS{Hostname: "czar-db", Port: 3306, Username: "qsmaster", Database: "qservCssData",
				Socket: "/qserv/data/mysql/mysql.sock"},
			"unix", "/qserv/data/mysql/mysql.sock",
		},
		"defaults": {
			"[css]\nport=3306\n",
			qservcnf.CSS{Hostname: "127.0.0.1", Port: 3306, Database: "qservCssData"},
			"tcp", "127.0.0.1:3306",
		},
		"IPv6": {
			"[css]\nhostname = ::1\nport = 1\n",
			qservcnf.CSS{Hostname: "::1", Port: 1, Database: "qservCssData"},
			"tcp", "[::1]:1",
		},
		"a password with all that could mislead": {
			"  [ css ]  \r\n\tport\t=\t1\r\npassword = a=b#c;d \" e\r\n; comment\r\n",
			qservcnf.CSS{Hostname: "127.0.0.1", Port: 1, Password: "a=b#c;d \" e", Database: "qservCssData"},
			"tcp", "127.0.0.1:1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := qservcnf.Read(strings.NewReader(test.text))
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			network, address := got.Address()
			assert.Equal(t, test.network, network)
			assert.Equal(t, test.address, address)
		})
	}
}

func TestReadFaults(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"empty":             {"", "there is no section [css]"},
		"another section":   {"[resultdb]\nport=1\n", "there is no section [css]"},
		"no address":        {"[css]\n", "section [css]: neither port nor socket is set"},
		"several faults":    {"[css]\ntechnology=mem\nport=x\n", `technology is "mem", and only mysql has a table to read; port is "x", which is not a port number; neither port nor socket is set`},
		"port too high":     {"[css]\nport=65536\n", `port is "65536"`},
		"not a line":        {"[css]\nport 3306\n", "line 2: neither a section, nor key = value, nor a comment"},
		"no key":            {"[css]\n= 3306\n", "line 2: neither"},
		"open bracket":      {"\n[css\n", "line 2: the section's name has no closing bracket"},
		"key twice":         {"[css]\nport=1\nport=2\n", "line 3: port stands twice in section [css]"},
		"unknown keys":      {"[css]\nport=1\nuser=a\nhost=secret\n", `"host" is no key that Qserv reads; it reads technology, hostname, port, username, password, database, socket; "user" is no key`},
		"section twice":     {"[css]\nport=1\n[a]\n[css]\n", "line 4: duplicate section [css]"},
		"a line of 100,000": {"[css]\nport=" + strings.Repeat("1", 100_000), "token too long"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := qservcnf.Read(strings.NewReader(test.text))
			require.ErrorIs(t, err, qservcnf.ErrInvalid)
			assert.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qserv-czar.cnf")
	_, err := qservcnf.ReadFile(path)
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, os.WriteFile(path, []byte("[css]\nport=x\nsocket=s"), 0o600))
	_, err = qservcnf.ReadFile(path)
	require.ErrorIs(t, err, qservcnf.ErrInvalid)
	assert.ErrorContains(t, err, path)

	require.NoError(t, os.WriteFile(path, []byte(czar), 0o600))
	got, err := qservcnf.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "qsmaster", got.Username)
}

func FuzzRead(f *testing.F) {
	f.Add(czar)
	f.Add("[css]\nport=1\n=\n[")
	f.Fuzz(func(t *testing.T, text string) {
		css, err := qservcnf.Read(strings.NewReader(text))
		if err != nil {
			require.ErrorIs(t, err, qservcnf.ErrInvalid)
			return
		}
		// What was read is what a czar could use: an address, and nothing that spans lines.
		require.True(t, css.Socket != "" || css.Port > 0 && css.Port < 65536)
		require.NotEmpty(t, css.Hostname)
		require.NotEmpty(t, css.Database)
		for _, v := range []string{css.Hostname, css.Username, css.Password, css.Database, css.Socket} {
			require.Equal(t, strings.TrimSpace(v), v)
			require.NotContains(t, v, "\n")
		}
	})
}
