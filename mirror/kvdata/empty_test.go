package kvdata_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/emptychunks"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// emptyServer is a server of which a mirror has taken the table, at a term.
func emptyServer(t *testing.T) (s *server, term int64) {
	t.Helper()
	s = newServer(t)
	return s, s.takeOver()
}

// takeOver takes the table over as a mirror does, and returns the term.
func (s *server) takeOver() int64 {
	s.t.Helper()
	c, err := kvdata.Open(s.t.Context(), s.target, patience)
	require.NoError(s.t, err)
	defer c.Close()
	state, _, err := c.TakeOver(s.t.Context(), kvdata.Claim{Name: "m", Owner: "o",
		Identity: cssetcd.Identity{Cluster: 1, History: "h", Prefix: "/p"}})
	require.NoError(s.t, err)
	return state.Term
}

func (s *server) openEmpty(term int64) *kvdata.Empty {
	s.t.Helper()
	e, err := kvdata.OpenEmpty(s.t.Context(), s.target, term)
	require.NoError(s.t, err)
	s.t.Cleanup(e.Close)
	return e
}

func said(set string) emptychunks.Side { return emptychunks.Said(chunkset.MustParse(set)) }

func (s *server) reads(e *kvdata.Empty, db string) emptychunks.Side {
	s.t.Helper()
	side, err := e.Read(s.t.Context(), db)
	require.NoError(s.t, err)
	return side
}

// Rule: a mirror that was overtaken writes nothing any more.
func TestEmptyChunksOfAnOvertakenMirror(t *testing.T) {
	t.Parallel()
	s, term := emptyServer(t)
	ctx, old := t.Context(), s.openEmpty(term)
	require.NoError(t, old.Write(ctx, kvdata.EmptyChange{DB: "D", Now: said("1-3"), Revision: 5}))
	s.takeOver()
	c := kvdata.EmptyChange{DB: "D", Found: said("1-3"), Now: said("1-4"), Revision: 6}
	require.ErrorIs(t, old.Write(ctx, c), kvdata.ErrFenced)
	require.ErrorIs(t, old.Write(ctx, kvdata.EmptyChange{DB: "E", Now: said("1")}), kvdata.ErrFenced)
	require.ErrorIs(t, old.Record(ctx, c), kvdata.ErrFenced)
	require.ErrorIs(t, old.Remove(ctx, kvdata.EmptyChange{DB: "D", Found: said("1-3")}), kvdata.ErrFenced)
	assert.True(t, s.reads(old, "D").Equal(said("1-3")))
	assert.False(t, s.reads(old, "E").Known)
	require.ErrorIs(t, old.CheckTerm(ctx), kvdata.ErrFenced)
	records, err := old.Records(ctx)
	require.NoError(t, err)
	assert.Equal(t, map[string]kvdata.Agreed{"D": {OnRecord: emptychunks.RecordOf(said("1-3")), Revision: 5}}, records)
}

// Rule: only what was decided about is changed, and a table that is being written is left to its writer.
func TestEmptyChunksThatMoved(t *testing.T) {
	t.Parallel()
	s, term := emptyServer(t)
	ctx, e := t.Context(), s.openEmpty(term)
	s.exec("CREATE TABLE D_EmptyChunks (chunkId INT NOT NULL PRIMARY KEY)")
	require.ErrorIs(t, e.Write(ctx, kvdata.EmptyChange{DB: "D", Now: said("1")}), kvdata.ErrEmptyMoved)
	s.exec("INSERT INTO D_EmptyChunks VALUES (7)")
	require.ErrorIs(t, e.Write(ctx, kvdata.EmptyChange{DB: "D", Found: said("8"), Now: said("1")}), kvdata.ErrEmptyMoved)
	assert.True(t, s.reads(e, "D").Equal(said("7")))
	tx, err := s.sql.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer tx.Rollback() // nothing after the test
	_, err = tx.ExecContext(ctx, "INSERT INTO D_EmptyChunks VALUES (9)")
	require.NoError(t, err)
	_, err = e.Read(ctx, "D")
	require.ErrorIs(t, err, kvdata.ErrBusy)
	require.ErrorIs(t, e.Write(ctx, kvdata.EmptyChange{DB: "D", Found: said("7"), Now: said("1")}), kvdata.ErrBusy)
	require.NoError(t, tx.Commit())
	assert.True(t, s.reads(e, "D").Equal(said("7,9")))
	require.NoError(t, e.Write(ctx, kvdata.EmptyChange{DB: "D", Found: said("7,9"), Now: said("1-30000"), Lost: true}))
	assert.True(t, s.reads(e, "D").Equal(said("1-30000")))
}

// TestParityGetEmptyChunksTableName: the table is where a C++ czar looks for it.
func TestParityGetEmptyChunksTableName(t *testing.T) {
	t.Parallel()
	s, term := emptyServer(t)
	e := s.openEmpty(term)
	for _, db := range []string{"LSST", "a-b c`d", strings.Repeat("x", kvdata.MaxEmptyName)} {
		require.NoError(t, e.Write(t.Context(), kvdata.EmptyChange{DB: db, Now: said("1-3")}))
		var n int
		require.NoError(t, s.sql.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM information_schema.TABLES
			WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`, s.target.DBName, db+"_EmptyChunks").Scan(&n))
		assert.Equal(t, 1, n, db)
		assert.True(t, s.reads(e, db).Equal(said("1-3")))
	}
}

// TestParityGetEmptyChunksSchema: the table is as Qserv's ingest makes it.
func TestParityGetEmptyChunksSchema(t *testing.T) {
	t.Parallel()
	s, term := emptyServer(t)
	e := s.openEmpty(term)
	require.NoError(t, e.Write(t.Context(), kvdata.EmptyChange{DB: "Ours", Now: said("1-3")}))
	s.exec("CREATE TABLE Theirs_EmptyChunks (chunkId INT NOT NULL, PRIMARY KEY (chunkId)) ENGINE=InnoDB")
	schema := func(table string) string {
		var name, text string
		require.NoError(t, s.sql.QueryRowContext(t.Context(), "SHOW CREATE TABLE "+table).Scan(&name, &text))
		return strings.ReplaceAll(text, name, "")
	}
	assert.Equal(t, schema("Theirs_EmptyChunks"), schema("Ours_EmptyChunks"))
}

// TestEmptyTablesAreListed with a time that rises with each change, by which a keeper knows what to read.
func TestEmptyTablesAreListed(t *testing.T) {
	t.Parallel()
	s, term := emptyServer(t)
	e := s.openEmpty(term)
	for _, name := range []string{"D_EmptyChunks", "`a b_EmptyChunks`", "DEmptyChunks", "_EmptyChunks", "D_EmptyChunks2"} {
		s.exec("CREATE TABLE " + name + " (chunkId INT NOT NULL PRIMARY KEY)")
	}
	list := func() (map[string]int64, int64) {
		t.Helper()
		tables, now, err := e.Tables(t.Context())
		require.NoError(t, err)
		all := map[string]int64{}
		for _, table := range tables {
			all[table.DB] = table.Changed
		}
		return all, now
	}
	all, now := list()
	require.Len(t, all, 2)
	assert.InDelta(t, now, all["D"], 5)
	assert.Contains(t, all, "a b")
	time.Sleep(1100 * time.Millisecond)
	s.exec("INSERT INTO D_EmptyChunks VALUES (1)")
	later, _ := list()
	assert.Greater(t, later["D"], all["D"])
	assert.Equal(t, all["a b"], later["a b"])
}

// TestTablesThatAreNoneOfEmptyChunks are not read as if they were.
func TestTablesThatAreNoneOfEmptyChunks(t *testing.T) {
	t.Parallel()
	s, term := emptyServer(t)
	e := s.openEmpty(term)
	for name, columns := range map[string]string{"A": "(other INT)", "B": "(chunkId VARCHAR(9))", "C": "(chunkId INT)",
		"D": "(chunkId INT NULL)"} {
		s.exec("CREATE TABLE " + name + "_EmptyChunks " + columns)
	}
	s.exec("INSERT INTO B_EmptyChunks VALUES ('x')")
	s.exec("INSERT INTO C_EmptyChunks VALUES (-1)")
	s.exec("INSERT INTO D_EmptyChunks VALUES (NULL)")
	for _, db := range []string{"A", "B", "C", "D"} {
		_, err := e.Read(t.Context(), db)
		assert.ErrorIs(t, err, kvdata.ErrEmptyTable, db)
	}
}

// TestEmptyChunksNeedNoMorePrivileges than mirroring does, but for removing a table.
func TestEmptyChunksNeedNoMorePrivileges(t *testing.T) {
	t.Parallel()
	s, _ := emptyServer(t)
	s.exec("CREATE USER 'e_" + s.target.DBName + "'@'%' IDENTIFIED BY 'x'")
	for _, grant := range kvdata.Grants("'e_"+s.target.DBName+"'@'%'", s.target.DBName, true) {
		s.exec(grant)
	}
	limited := *s
	limited.target = s.target.Clone()
	limited.target.User, limited.target.Passwd = "e_"+s.target.DBName, "x"
	ctx, e := t.Context(), limited.openEmpty(limited.takeOver())
	require.NoError(t, e.Write(ctx, kvdata.EmptyChange{DB: "D", Now: said("1-3"), Revision: 5}))
	require.NoError(t, e.Write(ctx, kvdata.EmptyChange{DB: "D", Found: said("1-3"), Now: said("2-9"), Revision: 6}))
	assert.True(t, s.reads(e, "D").Equal(said("2-9")))
	require.ErrorIs(t, e.Remove(ctx, kvdata.EmptyChange{DB: "D", Found: said("2-9")}), kvdata.ErrUnauthorized)
	s.exec(kvdata.EmptyGrants("'e_"+s.target.DBName+"'@'%'", s.target.DBName)[0])
	e = limited.openEmpty(limited.takeOver()) // the server looks at such privileges when a connection begins
	require.NoError(t, e.Remove(ctx, kvdata.EmptyChange{DB: "D", Found: said("2-9")}))
	assert.False(t, s.reads(e, "D").Known)
}
