package inbox_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror/inbox"
)

// Rule: a set of ids is the same once it was written and read.
func TestIDsComeBackFromText(t *testing.T) {
	testkit.Check(t, 300, func(rt *rapid.T) {
		var ids []int64
		at := int64(0)
		for range rapid.IntRange(0, 12).Draw(rt, "runs") {
			step := rapid.Int64Range(1, 4).Draw(rt, "step")
			for range rapid.IntRange(1, 6).Draw(rt, "ids") {
				at += step
				ids = append(ids, at)
			}
			at += rapid.Int64Range(0, 3).Draw(rt, "gap")
		}
		one := inbox.IDsOf(ids...)
		text, err := one.MarshalText()
		require.NoError(rt, err)
		var two inbox.IDs
		require.NoError(rt, two.UnmarshalText(text), "%s", text)
		assert.Equal(rt, one, two, "%s", text)
		assert.Equal(rt, one, inbox.IDsOf(ids[:len(ids)/2]...).Or(inbox.IDsOf(ids[len(ids)/3:]...)))
	})
}

// Rule: ids that a server gives at equal distances take no more room than those without gaps.
func TestIDsAtEqualDistancesAreShort(t *testing.T) {
	var ids []int64
	for id := int64(1); id < 200_000; id += 2 {
		ids = append(ids, id)
	}
	text, err := inbox.IDsOf(ids...).MarshalText()
	require.NoError(t, err)
	assert.Equal(t, "1-199999/2", string(text))
}

func TestTextsThatAreNoIDs(t *testing.T) {
	for _, text := range []string{"x", "1-", "5-1", "1,2", "3,1", "1-9/1", "1-9/3", "1-9/0", "1-9/-2", "1/x",
		"1-99999999999/2", "1-5/2,6", strings.Repeat("1", 30)} {
		var ids inbox.IDs
		assert.Error(t, ids.UnmarshalText([]byte(text)), text)
	}
}
