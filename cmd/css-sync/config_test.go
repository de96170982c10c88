package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

// configFile writes a configuration file that only its owner may read.
func configFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "css-sync.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// printed returns the settings that config print shows, by name.
func printed(c *clitest.CommandLine, args ...string) map[string]settingView {
	c.T.Helper()
	all := map[string]settingView{}
	for _, v := range clitest.JSON[[]settingView](c, append([]string{"config", "print"}, args...)...) {
		all[v.Name] = v
	}
	return all
}

// TestFlagsThenEnvironmentThenFile, then defaults; of settings that say the same those count that are said first.
func TestFlagsThenEnvironmentThenFile(t *testing.T) {
	file := configFile(t, "endpoints: [f:1, f:2]\nprefix: /file\nsession-ttl: 20s\nno-mirror: true\nwrite-out: json\n"+
		"mysql-dsn: [u@tcp(f)/]\nworker-dsn-file: [w]\nlook-every: 7s\nuser: file\npassword-file: pw\n")
	c := tested.In(t, map[string]string{
		"CSS_SYNC_CONFIG": file, "ETCDCTL_ENDPOINTS": "etcdctl:1", "CSS_SYNC_PREFIX": "/env", "CSS_SYNC_SESSION_TTL": "30s",
		"CSS_SYNC_NO_MIRROR": "false", "CSS_SYNC_CZAR_CONFIG": "czar.cnf", "CSS_SYNC_LOOK_EVERY": "",
	})
	all := printed(c, "--session-ttl", "40s", "--worker-dsn", "u@tcp(line)/", "--password", "p")
	for name, want := range map[string]settingView{
		"session-ttl":     {Value: "40s", Source: "--session-ttl"},
		"endpoints":       {Value: []any{"etcdctl:1"}, Source: "ETCDCTL_ENDPOINTS"},
		"prefix":          {Value: "/env", Source: "CSS_SYNC_PREFIX"},
		"no-mirror":       {Value: "false", Source: "CSS_SYNC_NO_MIRROR"},
		"look-every":      {Value: "7s", Source: file + ":8"},
		"user":            {Value: "file", Source: file + ":9"},
		"compare-every":   {Value: "1m0s", Source: "default"},
		"czar-config":     {Value: "czar.cnf", Source: "CSS_SYNC_CZAR_CONFIG"},
		"mysql-dsn":       {Value: []any{}, Source: "default"}, // the czar's configuration says it
		"worker-dsn":      {Value: []any{"u@tcp(line)/"}, Source: "--worker-dsn"},
		"worker-dsn-file": {Value: []any{}, Source: "default"},
		"password":        {Value: "***", Source: "--password", Secret: true},
		"password-file":   {Value: "", Source: "default"},
	} {
		want.Name = name
		assert.Equal(t, want, all[name])
	}
	c.Env["CSS_SYNC_ENDPOINTS"] = "own:1,own:2"
	assert.Equal(t, []any{"own:1", "own:2"}, printed(c)["endpoints"].Value)
	delete(c.Env, "CSS_SYNC_ENDPOINTS")
	delete(c.Env, "ETCDCTL_ENDPOINTS")
	assert.Equal(t, []any{"f:1", "f:2"}, printed(c)["endpoints"].Value)
	assert.Equal(t, "/file", printed(elsewhere(t), "--config", file)["prefix"].Value)
	assert.Equal(t, "/env", printed(c, "--config=")["prefix"].Value)
	assert.Equal(t, "default", printed(c, "--config=")["endpoints"].Source, "an empty name is none")
}

// TestConfigFileIsUsed by commands, by the daemon, and by completion.
func TestConfigFileIsUsed(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	file := configFile(t, "endpoints:\n  - "+server.Endpoints()[0]+
		"\ndial-timeout: 20s\ncommand-timeout: 60s\nwrite-out: json\nno-mirror: true\nsession-ttl: 3s\n")
	c := tested.In(t, map[string]string{"CSS_SYNC_CONFIG": file})
	c.OK("db create D")
	c.Says(`"name": "D"`, "db show D")
	c.Says("database: ", "db", "show", "D", "-w", "table")
	completes(c, []string{"D"}, "db", "show", "")
	serve := c.Process("serve")
	serve.Await(`msg="drops are carried out"`)
	serve.Stop()
}

// TestFaultsOfAConfigFile are all told at once, by whatever command, and nothing is done.
func TestFaultsOfAConfigFile(t *testing.T) {
	file := configFile(t, "endpoint: [a]\nforce: true\nadopt: true\nsession-ttl: soon\nno-mirror: maybe\ncompact: 1s\n"+
		"config: other\nmysql-dsn: u:secret@/\n")
	c := tested.In(t, map[string]string{"CSS_SYNC_CONFIG": file})
	want := "css-sync: " + file + " cannot be used:"
	for i, what := range []string{
		`there is no setting "endpoint"; did you mean "endpoints"?`,
		"force cannot stand in a file: what it says is to be meant each time; give --force on the command line",
		"adopt cannot stand in a file: what it says is to be meant each time; give --adopt on the command line",
		`session-ttl: "soon" is no duration, such as 10s or 1m30s`,
		`no-mirror: "maybe" is neither true nor false`,
		`compact: "1s": it must be at least 1m0s, or off`,
		"config cannot stand in a file: a file names no other one",
		"mysql-dsn is a list: write [ONE, ANOTHER], or each in a line of its own that begins with -",
	} {
		want += "\n  " + file + ":" + string(rune('1'+i)) + ": " + what
	}
	want += "\nhint: `css-sync config print` shows what a file may say\n"
	for _, command := range []string{"db list", "serve", "config print", "version"} {
		assert.Equal(t, want, c.Fails(cli.ExitInvalid, command))
	}
	r := c.Run("__complete", "db", "show", "")
	assert.Equal(t, ":4\n", r.Stdout)
	assert.NotContains(t, r.Stderr, "css-sync.yaml", "who presses the tab key gets no message")

	elsewhere(t).Refuses(cli.ExitInvalid, "--config: open /nowhere: no such file", "db list --config /nowhere")
	elsewhere(t).Refuses(cli.ExitInvalid, "/dev/zero is larger than", "db list --config /dev/zero")
	elsewhere(t).Refuses(cli.ExitInvalid, "is a directory", "db list --config /")

	c.Env["CSS_SYNC_CONFIG"] = configFile(t, "endpoint: [a]\n")
	c.Env["CSS_SYNC_DIAL_TIMEOUT"] = "soon"
	message := c.Fails(cli.ExitInvalid, "db list")
	assert.Contains(t, message, `CSS_SYNC_DIAL_TIMEOUT="soon"`)
	assert.Contains(t, message, "css-sync.yaml:1: there is no setting")
}

// What a file says is told of with its line where a command finds the fault.
func TestFaultsNameTheLineOfTheFile(t *testing.T) {
	for text, want := range map[string]string{
		"mysql-dsn: [u@/]\nczar-config: c\n": ":1 (mysql-dsn) and ... :2 (czar-config) are mutually exclusive",
		"mysql-dsn: [secret]\n":              ":1 (mysql-dsn): it is not of the form",
		"no-mirror: true\nlisten-client: l:1\n": ":2 (listen-client) is for the etcd of --data-dir, which is not " +
			"given",
		"data-dir: d\nendpoints: [e:1]\n": ":2 (endpoints) names an etcd elsewhere and ... :1 (data-dir) " +
			"runs one here",
		"no-mirror: true\ndrop-command-timeout: 1s\n":   ":2 (drop-command-timeout) is for --drop-command",
		"log-level: loud\n":                             `:1 (log-level) "loud" is none of debug`,
		"session-ttl: 1ms\nno-mirror: true\n":           ":1 (session-ttl) 1ms: must be whole seconds",
		"foreign-writes: no\n":                          `:1 (foreign-writes) "no" is neither alert nor repair`,
		"no-mirror: true\ndial-timeout: 0s\n":           ":2 (dial-timeout) is 0s and must be above 0",
		"css: file:///x.json\n":                         ":1 (css) says that the catalogue is on a file",
		"no-mirror: true\nworker-dsn-file: [/nowhere]":  ":2 (worker-dsn-file): open /nowhere",
		"no-mirror: true\nuser: u\npassword-file: /n\n": ":3 (password-file): open /n: no such file",
		"no-mirror: true\nuser: u\npassword: p\npassword-file: n\n": ":3 (password) and ... :4 (password-file) are " +
			"mutually " +
			"exclusive",
	} {
		c := tested.In(t, map[string]string{"CSS_SYNC_CONFIG": configFile(t, text)})
		c.Refuses(cli.ExitInvalid, want, "serve")
		assert.NotContains(t, c.Fails(cli.ExitInvalid, "serve"), "secret")
	}
}

// TestWhatSuitsOthersIsNoFault: one file serves all commands, and serve with its own etcd among them.
func TestWhatSuitsOthersIsNoFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := "unix://" + filepath.Join(dir, "s")
	c := tested.In(t, map[string]string{"CSS_SYNC_CONFIG": configFile(t, "data-dir: "+filepath.Join(dir, "etcd")+
		"\nlisten-client: "+socket+"\nendpoints: ["+socket+"]\nno-mirror: true\nmysql-dsn: ['u@tcp(127.0.0.1:1)/']\n"+
		"no-drops: true\nworker-dsn-file: [/nowhere]\ndial-timeout: 20s\n")})
	serve := c.Process("serve")
	serve.Await(`msg="daemon started"`)
	c.OK("db create D")
	assert.NotContains(t, serve.String(), "mirror")
	serve.Stop()
}

func TestPasswordFile(t *testing.T) {
	t.Parallel()
	server := withUsers(t)
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("secret\n"), 0o600))
	c := tested.In(t, map[string]string{"CSS_SYNC_CONFIG": configFile(t,
		"endpoints: ["+server.Endpoints()[0]+"]\nuser: root\n"+
			"dial-timeout: 20s\ncommand-timeout: 60s\npassword-file: "+file+"\n")})
	c.OK("db create D")
	c.Env["CSS_SYNC_PASSWORD"] = "wrong"
	c.Refuses(cli.ExitError, "wrong name or password for user root", "db list")
	c.OK("db", "list", "--password-file", file)
	delete(c.Env, "CSS_SYNC_PASSWORD")
	c.Env["CSS_SYNC_USER"] = "reader:wrong"
	c.OK("db", "list", "--user", "reader", "--password-file", file)
	require.NoError(t, os.WriteFile(file, []byte("\n"), 0o600))
	c.Refuses(cli.ExitInvalid, "there is no password for etcd's user root", "db", "list", "--user", "root")
}

// TestWhatIsPrintedCanBeUsed: printed again, with the file alone, it is the same but for where it comes from.
func TestWhatIsPrintedCanBeUsed(t *testing.T) {
	t.Parallel()
	c := tested.In(t, map[string]string{
		"CSS_SYNC_ENDPOINTS": "e:1,e:2", "CSS_SYNC_USER": "true", "CSS_SYNC_MYSQL_DSN": "u@tcp(h)/",
		"CSS_SYNC_COMPACT":    "off",
		"CSS_SYNC_WORKER_DSN": "u@tcp(a)/\nu@tcp(b)/", "CSS_SYNC_CACERT": "a # b: 'c'", "CSS_SYNC_LISTEN_CLIENT": "l:1",
	})
	args := []string{"config", "print", "--no-mirror", "--qmeta-grace", "90s", "--mirror-name", "a", "--mirror-name",
		"010"}
	for _, source := range [][]string{nil, {"--show-source"}} {
		file := configFile(t, c.OK(append(args, source...)...))
		want, have := printed(c, args[2:]...), printed(elsewhere(t), "--config", file)
		given := 0
		for name, v := range want {
			if v.Source != "default" && name != "write-out" {
				given++
				assert.True(t, strings.HasPrefix(have[name].Source, file+":"), name)
				assert.Equal(t, v.Value, have[name].Value, name)
			}
		}
		assert.Equal(t, 10, given)
		assert.Equal(t, elsewhere(t).OK("config", "print", "--config", file), c.OK(args...))
	}
	defaults := configFile(t, elsewhere(t).OK("config print"))
	for name, v := range printed(elsewhere(t), "--config", defaults) {
		assert.True(t, v.Source == "default" || name == "write-out", name)
	}
}

// TestPrintingShowsNoSecret, wherever it stands. Those who may read the file are told of.
func TestPrintingShowsNoSecret(t *testing.T) {
	t.Parallel()
	file := configFile(t, "password: s3cret\nmysql-dsn: ['u:s3cret@tcp(h)/', 'mysql://u:s3cret@h/']\n"+
		"worker-dsn: [\"u:s3cret@/\\nu:s3cret@/x\"]\nqmeta-dsn: s3cret\n")
	for _, c := range []*clitest.CommandLine{
		tested.In(t, map[string]string{"CSS_SYNC_CONFIG": file}),
		tested.In(t, map[string]string{"CSS_SYNC_PASSWORD": "s3cret", "CSS_SYNC_MYSQL_DSN": "u:s3cret@tcp(h)/",
			"ETCDCTL_USER": "u:s3cret"}),
	} {
		for _, line := range []string{"config print", "config print --show-source", "config print -w json"} {
			text := c.OK(line)
			assert.NotContains(t, text, "s3cret")
			assert.Contains(t, text, "u:***@tcp(h)/")
		}
		clitest.Golden(t, "config.txt", elsewhere(t).OK("config print --show-source"))
	}
	masked := configFile(t, tested.In(t, map[string]string{"CSS_SYNC_CONFIG": file}).OK("config print"))
	for name, v := range printed(elsewhere(t), "--config", masked) {
		assert.False(t, v.Secret || name != "write-out" && v.Source != "default", "what is not shown is not used: %s", name)
	}
	assert.Contains(t, elsewhere(t).OK("config print --endpoints u:s3cret@h:1"), "***@h:1")

	require.NoError(t, os.Chmod(file, 0o644))
	c := tested.In(t, map[string]string{"CSS_SYNC_CONFIG": file})
	r := c.Run("version")
	assert.Equal(t, cli.ExitOK, r.Code)
	assert.Equal(t, 1, strings.Count(r.Stderr, "everybody on this machine may read "+file+
		", which holds a secret (mysql-dsn, password, qmeta-dsn, worker-dsn)"), r.Stderr)
	harmless := configFile(t, "mysql-dsn: [u@/]\nuser: u\n")
	require.NoError(t, os.Chmod(harmless, 0o644))
	elsewhere(t).OK("version", "--config", harmless)
}

// TestServeHasAllSettings: what any command can be told, config print shows.
func TestServeHasAllSettings(t *testing.T) {
	have := map[string]bool{"config": true}
	for name := range printed(elsewhere(t)) {
		have[name] = true
	}
	everySetting(func(_ *cobra.Command, name string, _ []string) { assert.True(t, have[name], name) })
	assert.Greater(t, len(have), 30)
}
