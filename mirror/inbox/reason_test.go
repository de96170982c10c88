package inbox_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror/inbox"
)

// Rule: each reason says what it means.
func TestEachReasonIsExplained(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("verdict.go")
	require.NoError(t, err)
	reasons := regexp.MustCompile(`(?m)^\t\w+ +Reason = "(\w+)"`).FindAllSubmatch(source, -1)
	assert.NotEmpty(t, reasons)
	for _, r := range reasons {
		assert.NotEmpty(t, inbox.Reason(r[1]).Explanation(), "%s", r[1])
	}
}
