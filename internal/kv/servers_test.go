package kv

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRecent(t *testing.T) {
	for _, version := range []string{"3.5.28", "3.5.30", "3.6.9", "3.7.1", "3.7.3", "3.8.0-alpha.0", "4.0.0", "unknown"} {
		assert.True(t, recent(version), version)
	}
	for _, version := range []string{"2.3.8", "3.4.99", "3.5.27", "3.6.0", "3.6.8", "3.7.0", "3.7.0-rc.1"} {
		assert.False(t, recent(version), version)
	}
}
