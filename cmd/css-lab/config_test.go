package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
)

// TestEverySettingOfTheManualIsKnown: css-lab takes a configuration file that was written for css-sync.
func TestEverySettingOfTheManualIsKnown(t *testing.T) {
	manual, err := os.ReadFile("../../docs/CONFIG.md")
	require.NoError(t, err)
	entries := regexp.MustCompile("(?m)^- \\*\\*`([a-z-]+)`\\*\\* \\((.*); by").FindAllStringSubmatch(string(manual), -1)
	require.Greater(t, len(entries), 30)
	values := map[string]string{"true or false": "true", "a duration": "1s", "a list": "[x]"}
	var text strings.Builder
	for _, e := range entries {
		value, ok := values[e[2]]
		if !ok {
			value = "x"
		}
		text.WriteString(e[1] + ": " + value + "\n")
	}
	file := filepath.Join(t.TempDir(), "css-sync.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	message := elsewhere(t).Fails(cli.ExitInvalid, "czar", "--config", file)
	assert.Contains(t, message, `(write-out) "x" is neither table nor json`, "what comes after reading the file")
	assert.Equal(t, 1, strings.Count(message, file), message)

	require.NoError(t, os.WriteFile(file, []byte("mirror-nam: [x]\n"), 0o600))
	elsewhere(t).Refuses(cli.ExitInvalid, file+`:1: there is no setting "mirror-nam"; did you mean "mirror-name"?`, "czar",
		"--config", file)
}
