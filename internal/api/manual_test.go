package api_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/HTTP.md")
	require.NoError(t, err)
	return string(text)
}

// TestManualHasEachRoute, and no other.
func TestManualHasEachRoute(t *testing.T) {
	t.Parallel()
	routes := map[string][]string{}
	for path, methods := range emptyWorld(t).api.Routes() {
		path = strings.Replace(path, "{key...}", "{key}", 1)
		routes[path] = slices.Sorted(slices.Values(methods))
	}
	told := map[string][]string{}
	rows := regexp.MustCompile("(?m)^\\| `(/[^`]*)` \\| ([A-Z ]+) \\| .+ \\|$")
	for _, row := range rows.FindAllStringSubmatch(manual(t), -1) {
		told[row[1]] = slices.Sorted(slices.Values(strings.Fields(row[2])))
	}
	assert.Equal(t, routes, told)
}

// TestManualHasEachProblem with its status, and no other.
func TestManualHasEachProblem(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	statuses := map[string]int{}
	for status := 400; status < 600; status++ {
		statuses[strings.NewReplacer(" ", "", "-", "").Replace(http.StatusText(status))] = status
	}
	made := map[string]bool{"500 internal": true, "500 bad_value": true} // the second of what the catalogue holds
	refused := regexp.MustCompile(`refuse\(http\.Status(\w+), "(\w+)"`)
	known := regexp.MustCompile(`\{\w+\.\w+, "(\w+)", http\.Status(\w+)`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range refused.FindAllStringSubmatch(string(text), -1) {
			made[fmt.Sprint(statuses[m[1]], " ", m[2])] = true
		}
		for _, m := range known.FindAllStringSubmatch(string(text), -1) {
			made[fmt.Sprint(statuses[m[2]], " ", m[1])] = true
		}
	}
	told := map[string]bool{}
	_, section, ok := strings.Cut(manual(t), "\n## Problems\n")
	require.True(t, ok)
	for line := range strings.SplitSeq(section, "\n- **") {
		status, rest, ok := strings.Cut(line, "**, ")
		if !ok {
			continue
		}
		_, codes, _ := strings.Cut(rest, ": `")
		for _, m := range regexp.MustCompile("`?([a-z_]+)`").FindAllStringSubmatch(codes, -1) {
			told[status+" "+m[1]] = true
		}
	}
	assert.Equal(t, made, told)
}
