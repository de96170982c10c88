package sqldrop

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// markers is the schema that holds the fences, apart from the data so that it outlives them.
const markers = "css_drops"

const (
	fencePrefix = "css_fence_"
	spentPrefix = "css_spent_"
)

// marks are the names that belong to one incarnation of one table, all of them without the schema.
type marks struct {
	fence string // exists from before the tables are taken away until then
	spent string // exists from the moment on at which they are taken away
	trash string // what the names begin with that they are given
}

// marksOf returns the names for a table. Database and table are part of them because tables made in one transaction
// have one incarnation, and the history because after a restore of etcd revisions are given out again; as a hash,
// because they can be as long as a name may be.
func marksOf(job coordinator.Job, t coordinator.JobTable) marks {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q.%q.%q", job.History, job.Database, t.Table))
	id := fmt.Sprintf("%016x_%x", uint64(t.Incarnation), sum[:8])
	return marks{fence: fencePrefix + id, spent: spentPrefix + id, trash: "css_trash_" + id + "_n"}
}

// in quotes a name with its schema.
func in(schema, name string) string {
	return mysqlconn.QuoteName(schema) + "." + mysqlconn.QuoteName(name)
}

// renameStatement returns the one statement that takes tables away. The fence comes first: a statement that is late
// fails there.
func renameStatement(m marks, database string, tables []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "RENAME TABLE %s TO %s", in(markers, m.fence), in(markers, m.spent))
	for i, t := range tables {
		fmt.Fprintf(&b, ", %s TO %s", in(database, t), in(database, fmt.Sprint(m.trash, i)))
	}
	return b.String()
}

// quoteText quotes a text. The session has no NO_BACKSLASH_ESCAPES.
func quoteText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(text) + "'"
}
