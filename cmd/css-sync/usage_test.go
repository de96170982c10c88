package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

// What is wrong with a command line is found before anything is asked of etcd: there is none here.
func TestWrongUse(t *testing.T) {
	schema := filepath.Join(t.TempDir(), "schema")
	assert.NoError(t, os.WriteFile(schema, []byte("CREATE TABLE x (a INT)"), 0o600))
	elsewhere(t).RefusesAll(cli.ExitInvalid, map[string]string{
		"frobnicate":                       `there is no command "frobnicate"`,
		"tabel list":                       `there is no command "tabel"; did you mean table?`,
		"db":                               "db: missing subcommand: list, show, families, create, set-status, drop",
		"db shw":                           `db: there is no command "shw"; did you mean show?`,
		"db show":                          "db show: DATABASE is missing",
		"db show A B":                      `db show: unexpected argument "B"`,
		"db list --frob":                   "db list: unknown flag: --frob",
		"db list -w yaml":                  `--write-out "yaml" is neither table nor json`,
		"db list --log-level loud":         `--log-level "loud" is none of debug, info, warn and error`,
		"db list --log-format xml":         `--log-format "xml" is neither text nor json`,
		"db list --endpoints=":             "--endpoints is empty",
		"db list --dial-timeout 0s":        "--dial-timeout is 0s and must be above 0",
		"db list --dial-timeout soon":      "invalid argument",
		"db create D --stripes 3":          "--stripes, --sub-stripes and --overlap belong together",
		"db create D --like E --stripes 3": "--like takes all from the other database",
		"db create D --with-tables":        "--with-tables needs --like",
		"db create D --with-tables --like E --if-not-exists": "leave out --if-not-exists",
		"chunk":                                    "chunk: missing subcommand: list, show, add, delete",
		"chunk add D.T":                            "chunk add: ID is missing",
		"chunk add D.T 1":                          "chunk add: NODE is missing",
		"chunk add D.T x n":                        `"x" is not the id of a chunk`,
		"chunk show D.T 01":                        `"01" is not the id of a chunk`,
		"chunk show D.T 1 2":                       `unexpected argument "2"`,
		"chunk delete D 1":                         `"D" is not of the form database.table`,
		"chunk list D":                             `"D" is not of the form database.table`,
		"completion":                               "completion: missing subcommand: bash, zsh, fish, powershell",
		"completion bsh":                           `there is no command "bsh"; did you mean bash`,
		"completion bash x":                        `unexpected argument "x"`,
		"db set-status D REDY":                     `status "REDY" is none of READY`,
		"table show Object":                        `"Object" is not of the form database.table`,
		"table show A.B.C":                         "a dot separates database and table",
		"table create A.B":                         "give the schema with either --schema or --schema-file",
		"table create A.B --schema a":              `the schema begins with "a" and has to begin with a parenthesis`,
		"table create A.B --schema-file " + schema: `the schema begins with "CREATE TABLE`,
		"table create A.B --schema-file /nowhere":  "open /nowhere: no such file",
		"table create A.B --schema (a) --director --dir-db X": "--director makes the table its own director",
		"table create A.B --schema (a) --status OK":           `status "OK" is none of`,
		"table set-scan A.B":                                  "--scan-rating is missing",
		"node set-state n UP":                                 `state "UP" is neither ACTIVE nor INACTIVE`,
		"demo":                                                "demo is a command of css-lab, with the same flags",
		"bench gate-admit -w json":                            "bench is a command of css-lab",
		"ls DBS":                                              `key "DBS" must begin with a slash`,
		"log LSST.A.B":                                        "a dot separates database and table",
		"log --limit -1":                                      "--limit is -1 and must be 0 or above",
		"log --from -1":                                       "a revision is a number from 0 on",
		"log --from 5 --to 4":                                 "--from is 5, which is after --to, 4",
		"watch DBS":                                           `key "DBS" must begin with a slash`,
		"dump --root DBS":                                     `key "DBS" must begin with a slash`,
		"restore":                                             "restore: FILE is missing",
		"restore /nowhere":                                    "open /nowhere: no such file",
		"mirror":                                              "say --once",
		"mirror --once":                                       "no MySQL server configured",
		"mirror --once --capture status":                      "leave out --once, or --capture",
		"mirror --capture maybe":                              `--capture "maybe" is none of install, remove and status`,
		"mirror --capture install --force":                    "--force is for --capture remove",
		"mirror --capture remove --wait 0s":                   "--wait is 0s and must be above 0",
		"mirror --capture status --wait 1s":                   "leave out --wait",
		"mirror --once --force":                               "--force belongs to --capture",
		"mirror --capture status":                             "no MySQL server configured",
		"grants --read-only --capture":                        "give one of --read-only and --capture",
		"conflicts":                                           "missing subcommand: list, show, apply, drop",
		"conflicts list":                                      "no MySQL server configured",
		"conflicts list --limit -1":                           "--limit is -1",
		"conflicts show":                                      "ID is missing",
		"conflicts show x":                                    `"x" is no number of a conflict`,
		"conflicts apply":                                     "ID is missing",
		"conflicts apply 0":                                   `"0" is no number of a conflict`,
		"conflicts drop":                                      "say which conflicts by their ID, or --all",
		"conflicts drop 1 --all":                              "say which conflicts by their ID, or --all",
		"check":                                               "no MySQL server configured",
		"mirror --once --mirror-name a/b":                     `--mirror-name "a/b" must not be empty nor have a slash`,
		"serve --mirror-name=":                                `--mirror-name "" must not be empty nor have a slash`,
		"check --mysql-dsn secret":                            "--mysql-dsn: it is not of the form",
		"check --mysql-dsn mysql://u:secret":                  "--mysql-dsn: it is not a URL",
		"check --mysql-dsn-file /nowhere":                     "--mysql-dsn-file: open /nowhere: no such file",
		"check --czar-config /nowhere":                        "--czar-config: open /nowhere: no such file",
		"check --czar-config " + schema:                       "neither a section, nor key = value",
		"check --mysql-dsn a@/b --czar-config c":              "--mysql-dsn and --czar-config are mutually exclusive",
		"serve":                                               "or --no-mirror to do without",
		"serve --no-mirror --data-dir d --endpoints e:1": "--endpoints names an etcd elsewhere and --data-dir runs " +
			"one here",
		"serve --no-mirror --listen-client 127.0.0.1:1": "--listen-client is for the etcd of --data-dir",
		"version 1": `unexpected argument "1"`,
	})
}

func TestWrongUseFromTheEnvironment(t *testing.T) {
	c := elsewhere(t)
	c.Env = map[string]string{"CSS_SYNC_MYSQL_DSN": "a@/b", "CSS_SYNC_CZAR_CONFIG": "c"}
	c.Refuses(cli.ExitInvalid, "CSS_SYNC_MYSQL_DSN and CSS_SYNC_CZAR_CONFIG are mutually exclusive", "check")
	c.Env = map[string]string{"ETCDCTL_ENDPOINTS": "e:1", "CSS_SYNC_DATA_DIR": "d"}
	c.Refuses(cli.ExitInvalid, "ETCDCTL_ENDPOINTS names an etcd elsewhere and CSS_SYNC_DATA_DIR runs one here",
		"serve --no-mirror")
	c.Env = map[string]string{"CSS_SYNC_MYSQL_DSN": "secret"}
	c.Refuses(cli.ExitInvalid, "CSS_SYNC_MYSQL_DSN: it is not of the form", "check")
}

func TestInvalidNamesAndKeysAreRefused(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	c.RefusesAll(cli.ExitInvalid, map[string]string{
		"db create a/b":                       "a slash separates",
		"db create a.b":                       "a dot separates",
		"db create ä":                         "not printable ASCII",
		"node add " + strings.Repeat("n", 65): "longer than 64 characters",
		"put DBS x":                           "must begin with a slash",
		"put /DBS/ x":                         "has an empty part",
		"put /css_meta/version 2":             "not written by hand",
		"get DBS":                             "must begin with a slash",
		"db list --prefix qserv":              "must be one or more segments",
		"db create E --stripes 0 --sub-stripes 1 --overlap 0": "stripes 0: must be 1 to 2147483647",
		"chunk add D.T -- -1 n":                               "chunk -1: must be 0 to 2147483647",
		"table create D.T --schema (a) --lat-col d":           "the director's database, table and column are needed",
		"table create D.T --schema (a) --scan-rating 1":       "not partitioned",
	})
}

// Every command and flag says what it is for, and every command's help works.
func TestHelp(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Name() == "completion" || cmd.Name() == "help" || cmd.Hidden {
			return
		}
		assert.NotEmpty(t, cmd.Short, cmd.CommandPath())
		assert.NotRegexp(t, `\.$`, cmd.Short, cmd.CommandPath())
		text := elsewhere(t).OK(append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
		assert.Contains(t, text, "Usage:")
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newProgram(nil, nil, nil, nil).RootCommand())
	text := elsewhere(t).OK()
	assert.Contains(t, text, "Exit codes:")
	assert.Contains(t, text, "--endpoints")
	assert.NotContains(t, elsewhere(t).OK("db list --help"), "--cacert", "what all commands have stands in one place")
}

func TestVersion(t *testing.T) {
	v := clitest.Decode[versionView](t, elsewhere(t).OK("version -w json"))
	assert.Equal(t, "1", v.CSS)
	assert.Contains(t, v.Go, "go1.")
	elsewhere(t).Says("etcd client:", "version")
}

// TestNoRevision: a number that is no revision is told at once, and not taken for the newest.
func TestNoRevision(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	for _, args := range [][]string{
		{"dump", "--rev", "-5"}, {"dump", "--rev=x"}, {"table", "set-status", "a.b", "READY", "--if-revision", "-5"},
		{"db", "drop", "a", "--if-revision", "-5"},
		{"put", "/a", "b", "--if-revision", "-1"}, {"node", "delete", "n", "--if-revision", "-1"},
	} {
		c.Refuses(cli.ExitInvalid, "a revision is a number from 0 on", args...)
	}
	for _, side := range []string{"etcd@-5", "etcd@0", "etcd@x"} {
		c.Refuses(cli.ExitInvalid, "the revision has to be a number above 0", "diff", "etcd", side)
	}
	f, _ := onFile(t)
	f.OK("db create D")
	f.Refuses(cli.ExitInvalid, "is on a file, which has no revisions", "dump --rev 2")
}

func TestWhatIsNoFile(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	c.Refuses(cli.ExitInvalid, "/dev/full is not a regular file", "db list --css file:///dev/full")
	c.Refuses(cli.ExitInvalid, "/dev/full is not a regular file", "db create D --css file:///dev/full")
}
