package sqldrop

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/deletion"
)

// The same revision is another incarnation in another history of etcd.
func TestMarksTellHistoriesApart(t *testing.T) {
	table := deletion.JobTable{Table: "Object", Incarnation: 7}
	before := marksOf(deletion.Job{Database: "LSST", History: "before"}, table)
	after := marksOf(deletion.Job{Database: "LSST", History: "after"}, table)
	assert.NotEqual(t, before.fence, after.fence)
	assert.NotEqual(t, before.spent, after.spent)
	assert.NotEqual(t, before.trash, after.trash)
}
