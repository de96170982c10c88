package status

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAlarmsOfMembers(t *testing.T) {
	t.Parallel()
	full := alarmsOf([]string{"etcdserver: no leader", "memberID:10501334649042878790 alarm:NOSPACE ",
		"memberID:7 alarm: CORRUPT"})
	assert.Equal(t, []string{"NOSPACE", "CORRUPT"}, full)
	kinds := alarms([]Endpoint{{alarms: full}, {}, {alarms: []string{"NOSPACE"}}})
	assert.Equal(t, []string{"CORRUPT", "NOSPACE"}, kinds)
	assert.ErrorContains(t, Etcd{Alarms: kinds}.Alarm(), "NOSPACE")
	assert.ErrorContains(t, Etcd{Alarms: kinds[:1]}.Alarm(), "different data")
	assert.ErrorContains(t, Etcd{Alarms: []string{"ODD"}}.Alarm(), "ODD")
	assert.NoError(t, Etcd{Alarms: alarms(nil)}.Alarm())
}
