package sqldrop_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
)

func TestDropRemovesATableWithItsChunksAndNothingElse(t *testing.T) {
	w := newWorld(t)
	others := []string{"Object_backup", "Object2", "Object2_1", "object", "object_1", "ObjectFullOverlap", "Source",
		"Source_1", "Object_1_2"}
	w.create(append(others, "Object", "Object_1", "Object_22", "Object_1234567890", "ObjectFullOverlap_1",
		"ObjectFullOverlap_22")...)
	var log bytes.Buffer
	d := w.dropper(func(c *sqldrop.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	job := w.job(2, "Object")
	require.NoError(t, d.Drop(t.Context(), job))
	w.intact(others...)
	w.marked(job)
	assert.Contains(t, log.String(), "table=Object incarnation=1001 tables=6")
	require.NoError(t, d.Drop(t.Context(), job), "again")
	w.intact(others...)
}

// Rule: of a table that is not chunked only the table of that name goes; others may be called like a chunk.
func TestTableWithoutChunks(t *testing.T) {
	w := newWorld(t)
	w.create("t", "t_5", "tFullOverlap_5")
	w.drop(w.job(0, "t"))
	w.intact("t_5", "tFullOverlap_5")
}

func TestDropOfADatabaseRemovesItsTables(t *testing.T) {
	w := newWorld(t)
	w.create("Object", "Object_1", "Source", "Source_1", "Filter", "NotInTheCatalogue")
	job := w.job(1, "Object", "Source", "Filter")
	job.Whole = true
	job.Tables[2].ChunkLevel = 0
	w.drop(job)
	w.intact("NotInTheCatalogue")
	w.drop(coordinator.Job{Database: w.database, Whole: true, Incarnation: 5, Mark: 6})
	w.intact("NotInTheCatalogue")
}

// Rule: tables that one transaction created have one incarnation and are dropped one by one all the same.
func TestTablesOfOneIncarnation(t *testing.T) {
	w := newWorld(t)
	w.create("a", "b")
	job := w.job(0, "a")
	w.drop(job)
	w.intact("b")
	job.Tables[0].Table = "b"
	w.drop(job)
	w.intact()
	w.anew()
	w.create("a")
	job.Database, job.Tables[0].Table = w.database, "a"
	w.drop(job)
	w.intact()
}

// Rule: names are names, whatever they are made of.
func TestNamesThatNeedQuoting(t *testing.T) {
	w := newWorld(t)
	w.database += "`x` ; 'y\\'"
	for _, name := range []string{"we`ird", "it's \\ a \"name\"", "per%cent_", "; DROP TABLE t", "ünïcode", "t-1.2"} {
		w.create(name, name+"_7", "other")
		w.drop(w.job(1, name))
		w.intact("other")
		w.exec("DROP TABLE " + w.in("other"))
	}
}

func TestLongestNames(t *testing.T) {
	w := newWorld(t)
	w.database += strings.Repeat("d", 64-len(w.database))
	base, short, shorter := strings.Repeat("t", 64), strings.Repeat("u", 62), strings.Repeat("v", 51)
	w.create(base, short, short+"_1", shorter, shorter+"FullOverlap_1", "other")
	job := w.job(1, base, short, shorter)
	job.Tables[0].Incarnation = 1<<63 - 1
	w.drop(job)
	w.intact("other")
	w.marked(job)
}

// Rule: what goes is what the name stands for, and not what a view shows.
func TestViewsAndSequences(t *testing.T) {
	w := newWorld(t)
	w.create("shown", "t_3")
	w.exec("CREATE VIEW " + w.in("t") + " AS SELECT * FROM " + w.in("shown"))
	w.exec("CREATE VIEW " + w.in("t_2") + " AS SELECT * FROM " + w.in("t_3"))
	w.exec("CREATE SEQUENCE " + w.in("t_4"))
	w.drop(w.job(1, "t"))
	w.intact("shown")
}

func TestFaultsOfAConfiguration(t *testing.T) {
	_, err := sqldrop.New(sqldrop.Config{LockWait: 1500 * time.Millisecond})
	require.EqualError(t, err,
		"sqldrop: no Servers are given; the LockWait 1.5s is not a whole number of seconds from 1 on")
	_, err = sqldrop.New(sqldrop.Config{Servers: []*mysql.Config{nil}})
	require.ErrorContains(t, err, "number 1 of the Servers is nil")
}

func TestFaultsOfAJob(t *testing.T) {
	d, err := sqldrop.New(sqldrop.Config{Servers: []*mysql.Config{mysql.NewConfig()}})
	require.NoError(t, err)
	for want, job := range map[string]coordinator.Job{
		"sqldrop: the job names no database": {},
		"sqldrop: a table of the job in the database d has no name": {Database: "d",
			Tables: []coordinator.JobTable{{Incarnation: 1}}},
		"sqldrop: the table d.t of the job has the incarnation 0; it must be positive": {Database: "d",
			Tables: []coordinator.JobTable{{Table: "t"}}},
	} {
		require.EqualError(t, d.Drop(t.Context(), job), want)
	}
}
