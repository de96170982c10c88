package daemon

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/mirror"
)

// TestWellOf says what a mirror has to be for the daemon to be ready.
func TestWellOf(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]mirror.Status{
		"":                        {Phase: mirror.Following, Lag: time.Second},
		"lag 45s":                 {Phase: mirror.Following, Lag: 45 * time.Second},
		"starting for 0s: it has": {Phase: mirror.Starting, Since: time.Now()},
		"waiting for 0s: gone":    {Phase: mirror.Waiting, Since: time.Now(), Err: errors.New("gone")},
	} {
		if want == "" {
			assert.NoError(t, wellOf(s))
			continue
		}
		assert.ErrorContains(t, wellOf(s), want)
	}
}

// TestStanding: standing by is well, and what is led is asked.
func TestStanding(t *testing.T) {
	t.Parallel()
	var s standing
	assert.NoError(t, s.healthy("default"))
	end := s.leads("default", func() mirror.Status { return mirror.Status{Phase: mirror.Refused, Err: errors.New("no")} })
	assert.ErrorContains(t, s.healthy("default"), "no")
	assert.NoError(t, s.healthy("other"))
	end()
	assert.NoError(t, s.healthy("default"))
}
