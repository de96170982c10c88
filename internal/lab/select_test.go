package lab

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSelect(t *testing.T) {
	names := func(args ...string) (found []string) {
		selected, err := Select(args)
		require.NoError(t, err)
		for _, b := range selected {
			found = append(found, b.Name)
		}
		return found
	}
	assert.Equal(t, Names(), names())
	assert.Equal(t, []string{"drop-vs-statements"}, names("drop-vs-statements"))
	assert.Equal(t, []string{"drop-vs-statements"}, names("drop-vs-statements-mysql"), "the name of a result")
	assert.Equal(t, []string{"mirror-load-vs-insert", "mirror-lag-vs-floor", "mirror-update", "mirror-delete"},
		names("mirror-"), "the begin of names")
	_, err := Select([]string{"mirror-lag", "nonsense"})
	assert.ErrorContains(t, err, `there is no benchmark "nonsense"; there are table-read-vs-etcd-get, `)
	_, err = Select([]string{""})
	assert.Error(t, err)
}
