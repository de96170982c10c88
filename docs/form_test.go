package docs_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/qserv/css-etcd/mirror"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	maxColumns     = 120
	maxReadmeLines = 150
)

func documents(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	require.NoError(t, err)
	return append([]string{"../README.md"}, names...)
}

// TestLinesOfDocuments: lines fit into a window of 120 columns, but for names of mutants, which cannot be broken.
func TestLinesOfDocuments(t *testing.T) {
	for _, name := range documents(t) {
		for i, line := range strings.Split(read(t, name), "\n") {
			if name != "MUTANTS.md" || !strings.HasPrefix(line, "- `") {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), maxColumns, "%s:%d", name, i+1)
			}
		}
	}
	assert.LessOrEqual(t, strings.Count(read(t, "../README.md"), "\n"), maxReadmeLines)
}

// TestLinksOfDocuments: the files and headings that documents name are there.
func TestLinksOfDocuments(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, name := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(read(t, name), -1) {
			target, err := url.Parse(match[1])
			require.NoError(t, err)
			if target.Scheme != "" {
				continue
			}
			file := name
			if target.Path != "" {
				file = filepath.Join(filepath.Dir(name), target.Path)
			}
			_, err = os.Stat(file)
			if assert.NoError(t, err, "%s links to %s", name, match[1]) && target.Fragment != "" {
				assert.Contains(t, anchors(read(t, file)), target.Fragment, "%s links to %s", name, match[1])
			}
		}
	}
}

// anchors returns what links to the headings of a document are called.
func anchors(text string) (all []string) {
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}

// TestEveryTroubleIsInTheManual: an operator finds each code of a mirror's trouble there.
func TestEveryTroubleIsInTheManual(t *testing.T) {
	manual := read(t, "OPERATIONS.md")
	for _, k := range mirror.Kinds() {
		assert.Contains(t, manual, "\n| `"+string(k.Code)+"` | ")
	}
}
