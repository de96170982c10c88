package sqldrop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/deletion/coordinator"
)

// The same revision is another incarnation in another history of etcd.
func TestMarksTellHistoriesApart(t *testing.T) {
	table := coordinator.JobTable{Table: "Object", Incarnation: 7}
	before := marksOf(coordinator.Job{Database: "LSST", History: "before"}, table)
	after := marksOf(coordinator.Job{Database: "LSST", History: "after"}, table)
	assert.NotEqual(t, before.fence, after.fence)
	assert.NotEqual(t, before.spent, after.spent)
	assert.NotEqual(t, before.trash, after.trash)
}

// TestMarkerStays as long as somebody may need it, with the reason.
func TestMarkerStays(t *testing.T) {
	job := coordinator.Job{Database: "LSST", Tables: []coordinator.JobTable{{Table: "Object", Incarnation: 7}}}
	mine := marksOf(job, job.Tables[0])
	late := []attemptSeen{{17, "host:1"}}
	for _, test := range []struct {
		name     string
		marker   string
		age      time.Duration
		underWay []coordinator.Job
		attempts []attemptSeen
		want     string
	}{
		{"its drop has ended long ago", mine.spent, 2 * time.Hour, nil, nil, ""},
		{"the fence of a late attempt", mine.fence, 2 * time.Hour, nil, nil, ""},
		{"its drop goes on", mine.spent, 2 * time.Hour, []coordinator.Job{job}, nil, "its drop has not ended"},
		{"the drop of its fence goes on", mine.fence, 2 * time.Hour, []coordinator.Job{job}, nil, "its drop has not ended"},
		{"another drop goes on", mine.spent, 2 * time.Hour, []coordinator.Job{{Database: "LSST", History: "another",
			Tables: job.Tables}}, nil, ""},
		{"it is young", mine.spent, time.Minute, nil, nil,
			"it is younger than 1h0m0s, and a backup of etcd may have its drop"},
		{"an attempt is connected", mine.spent, 2 * time.Hour, nil, late,
			"an attempt to remove data is connected, as process 17 from host:1, and may be a late one; when it has ended, or " +
				"was killed, try again"},
	} {
		m := Marker{Name: test.marker, Age: test.age}
		assert.Equal(t, test.want, m.stays(idsOf(test.underWay), test.attempts, time.Hour), test.name)
	}
}
