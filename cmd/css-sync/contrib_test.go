package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const contrib = "../../contrib/"

// takes checks that a command line is one of css-sync, without running it.
func takes(t *testing.T, where string, words []string) {
	t.Helper()
	cmd, rest, err := newProgram(nil, nil, nil, nil).RootCommand().Find(words)
	require.NoError(t, err, where)
	require.NoError(t, cmd.ParseFlags(rest), where)
	assert.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), where)
	assert.True(t, cmd.Runnable() && cmd.HasParent(), "%s: %v is no command", where, words)
}

// ownVariable is what css-sync reads of the environment.
var ownVariable = regexp.MustCompile(`\bCSS_SYNC_[A-Z_]+`)

// hasVariables checks that the variables that a text names are those of settings.
func hasVariables(t *testing.T, where, text string) {
	t.Helper()
	known := []string{"CSS_SYNC_CONFIG"}
	everySetting(func(_ *cobra.Command, _ string, variables []string) { known = append(known, variables...) })
	for _, name := range ownVariable.FindAllString(text, -1) {
		assert.True(t, slices.Contains(known, name), "%s: there is no variable %s", where, name)
	}
}

// TestUnitsOfSystemd: systemd finds no fault with them, and css-sync none with what they say to it.
func TestUnitsOfSystemd(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("this test needs systemd-analyze; `make deps` installs it: %v", err)
	}
	require.NoError(t, err)
	files, err := filepath.Glob(contrib + "systemd/*.service")
	require.NoError(t, err)
	require.Len(t, files, 2)
	dir := t.TempDir()
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		line := regexp.MustCompile(`(?m)^ExecStart=(\S+) (.*)$`).FindStringSubmatch(string(text))
		require.Len(t, line, 3, file)
		require.Equal(t, "/usr/local/bin/css-sync", line[1], file)
		takes(t, file, strings.Fields(line[2]))
		hasVariables(t, file, string(text))
		here, err := filepath.Abs(os.Args[0])
		require.NoError(t, err)
		copied := filepath.Join(dir, filepath.Base(file)) // of a program that is there
		require.NoError(t, os.WriteFile(copied, []byte(strings.ReplaceAll(string(text), line[1], here)), 0o600))
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no",
			copied).CombinedOutput()
		assert.NoError(t, err, "%s", out)
		assert.Empty(t, string(out), "what is unknown to it systemd leaves out, with a warning")
	}
}

// TestContribIsChecked: css-sync does not take what is none of its flags. Without that the tests here could not fail.
func TestContribIsChecked(t *testing.T) {
	t.Parallel()
	cmd, rest, err := newProgram(nil, nil, nil, nil).RootCommand().Find([]string{"serve", "--no-such-flag"})
	require.NoError(t, err)
	assert.Error(t, cmd.ParseFlags(rest))
}
