package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

func TestCompletionScripts(t *testing.T) {
	for shell, want := range map[string]string{
		"bash": "__start_css-sync", "zsh": "#compdef css-sync", "fish": "complete -c css-sync",
		"powershell": "Register-ArgumentCompleter -CommandName 'css-sync'",
	} {
		elsewhere(t).Says(want, "completion", shell)
	}
}

// completions are what a shell is told that the last of the arguments may be. The last line is for the shell.
func completions(c *clitest.CommandLine, args ...string) []string {
	c.T.Helper()
	r := c.Run(append([]string{"__complete"}, args...)...)
	require.Equal(c.T, cli.ExitOK, r.Code, "%v: %s", args, r.Stderr)
	lines := strings.Split(strings.TrimSuffix(r.Stdout, "\n"), "\n")
	require.Equal(c.T, ":4", lines[len(lines)-1], "%v: no names of files", args)
	return lines[:len(lines)-1]
}

// completes asks until an answer comes: a machine that stalls does not always give one within the time for it.
func completes(c *clitest.CommandLine, want []string, args ...string) {
	c.T.Helper()
	var got []string
	clitest.Await(c.T, func() bool {
		got = completions(c, args...)
		return len(got) > 0 || len(want) == 0
	}, fmt.Sprint(args))
	assert.ElementsMatch(c.T, want, got, "%v", args)
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	e := onEtcd(t)
	f, _ := onFile(t)
	for _, c := range []*clitest.CommandLine{e, f} {
		clitest.Fill(c.OK)
		for line, want := range map[string]string{
			"db show :":                              "LSST LSST_2 Plain",
			"db show P":                              "Plain",
			"db show Plain :":                        "",
			"db set-status LSST :":                   "READY DO_NOT_USE",
			"db create X --like LSST_":               "LSST_2",
			"table list :":                           "LSST LSST_2 Plain",
			"table show :":                           "LSST.Filter LSST.ObjMatch LSST.Object LSST.Source",
			"db drop L":                              "LSST LSST_2",
			"db drop LSST --policy :":                "wait cancel",
			"table set-status LSST.Filter :":         "READY DO_NOT_USE",
			"table set-schema LSST.F":                "LSST.Filter",
			"table drop LSST.F":                      "LSST.Filter",
			"table drop LSST.Filter --policy c":      "cancel",
			"chunk show LSST.F":                      "LSST.Filter",
			"chunk delete LSST.F":                    "LSST.Filter",
			"node show :":                            "worker-1 worker-2",
			"table set-scan LSST.S":                  "LSST.Source",
			"table create D.T --dir-db P":            "Plain",
			"table create D.T --match-table1 LSST.O": "LSST.ObjMatch LSST.Object",
			"chunk list LSST.F":                      "LSST.Filter",
			"chunk add LSST.Object :":                "",
			"chunk add LSST.Object 1 :":              "worker-1 worker-2",
			"chunk add LSST.Object 1 worker-1 :":     "worker-1 worker-2",
			"node set-state worker-1 I":              "INACTIVE",
			"node delete :":                          "worker-1 worker-2",
			"db list -w :":                           "table json",
		} {
			args := strings.Fields(line)
			if last := len(args) - 1; args[last] == ":" {
				args[last] = ""
			}
			completes(c, strings.Fields(want), args...)
		}
	}
	completes(e, []string{"Plain"}, "log", "P")
	completes(e, []string{"LSST.Filter"}, "log", "LSST.F")
	completes(e, []string{"remove"}, "mirror", "--capture", "r")
	e.OK("db drop Plain")
	for _, verb := range []string{"show", "wait", "cancel", "retry", "abandon"} {
		completes(e, []string{"LSST.Filter"}, "drops", verb, "LSST.F")
	}
	completes(e, []string{"LSST", "LSST_2"}, "db", "show", "")
}

// Someone who presses the tab key gets no message and does not wait.
func TestCompletionWithoutACatalogue(t *testing.T) {
	for name, environment := range map[string]map[string]string{
		"refused":          {"CSS_SYNC_ENDPOINTS": clitest.Refusing(t)},
		"silent":           {"CSS_SYNC_ENDPOINTS": silent(t), "CSS_SYNC_DIAL_TIMEOUT": "1h"},
		"no such file":     {"CSS_SYNC_CSS": "file:///nowhere/css.json"},
		"wrong":            {"CSS_SYNC_CSS": "css.json"},
		"wrong altogether": {"CSS_SYNC_WRITE_OUT": "yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := tested.In(t, environment)
			r := c.Run("__complete", "db", "show", "")
			assert.Equal(t, ":4\n", r.Stdout)
			assert.Equal(t, "Completion ended with directive: ShellCompDirectiveNoFileComp\n", r.Stderr,
				"which the shells' scripts drop")
		})
	}
}
