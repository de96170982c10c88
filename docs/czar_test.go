package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// TestCodeForCzarsIsThatOfTheExample: the manual shows code that is compiled and run.
func TestCodeForCzarsIsThatOfTheExample(t *testing.T) {
	blocks, err := parse(read(t, "CZAR.md"))
	require.NoError(t, err)
	example, found := read(t, "../examples/czar/main.go")+read(t, "../inventory/example_test.go"), 0
	for _, b := range blocks {
		if b.language == "go" {
			found++
			assert.True(t, strings.Contains(example, b.text), "the code at line %d is not in the example", b.line)
		}
	}
	assert.NotZero(t, found)
}

// TestEveryCodeOfTheAgentIsInItsManual: so does a developer of a czar in another language.
func TestEveryCodeOfTheAgentIsInItsManual(t *testing.T) {
	manual, found := read(t, "AGENT.md"), 0
	refusal := regexp.MustCompile(`Refuse\(http\.Status(\w+), "(\w+)"`)
	files, err := filepath.Glob("../internal/agent/*.go")
	require.NoError(t, err)
	for _, file := range files {
		for _, match := range refusal.FindAllStringSubmatch(read(t, file), -1) {
			if found++; match[1] != "BadRequest" {
				assert.Contains(t, manual, "`"+match[2]+"` (", file)
			}
		}
	}
	assert.Greater(t, found, 5)
}

// TestEveryErrorIsInTheManual: a czar's developer finds each error, and what to do about it.
func TestEveryErrorIsInTheManual(t *testing.T) {
	manual, errors := read(t, "CZAR.md"), regexp.MustCompile(`(?m)^\s*(?:var )?(Err[A-Z]\w*)\s*=`)
	for _, file := range []string{"../cssetcd/errors.go", "../cssetcd/queryable.go", "../deletion/errors.go"} {
		for _, match := range errors.FindAllStringSubmatch(read(t, file), -1) {
			assert.Contains(t, manual, "`"+match[1]+"`", file)
		}
	}
}
