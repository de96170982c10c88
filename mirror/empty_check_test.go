package mirror_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/emptychunks"
)

// forOnce is a mirror that looks at the tables of empty chunks when it mirrors once.
func (w *world) forOnce(options ...func(*mirror.Config)) *mirror.Mirror {
	return w.mirror(append(options, func(c *mirror.Config) {
		var err error
		c.Empty, err = mirror.NewEmptyChunks(nil, w.client, "m")
		require.NoError(w.t, err)
	})...)
}

func (w *world) mirrorsOnce(m *mirror.Mirror) []mirror.EmptyDifference {
	w.t.Helper()
	result, err := m.Once(w.t.Context())
	require.NoError(w.t, err)
	return result.EmptyChunks
}

func (w *world) compared() mirror.Report {
	w.t.Helper()
	report, err := mirror.Check(w.t.Context(), w.target, w.client)
	require.NoError(w.t, err)
	return report
}

// TestEmptyChunksOnce: who mirrors once brings the tables of empty chunks up to date, too; a dry run says so and writes
// nothing.
func TestEmptyChunksOnce(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.setEmpty("D", "0-2,7")
	m := w.forOnce()
	want := []mirror.EmptyDifference{{DB: "D", Etcd: said("0-2,7"), Action: emptychunks.Write}}
	would, err := m.DryRun(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, would.EmptyChunks)
	assert.Equal(t, unknown, w.emptyInMySQL("D"))
	assert.Equal(t, want, w.mirrorsOnce(m))
	assert.Equal(t, "0-2,7", w.emptyInMySQL("D"))
	assert.Empty(t, w.mirrorsOnce(m))

	w.exec("DELETE FROM D_EmptyChunks WHERE chunkId = 7")
	w.setEmpty("E", "")
	assert.Equal(t, []mirror.EmptyDifference{
		{DB: "D", MySQL: said("0-2"), Etcd: said("0-2,7"), Action: emptychunks.Write},
		{DB: "E", Etcd: said(""), Action: emptychunks.Write}}, w.mirrorsOnce(m))
	assert.Equal(t, "0-2,7", w.emptyInMySQL("D"))
	assert.Equal(t, "", w.emptyInMySQL("E"))
	assert.Equal(t, "0-2", w.lost("D"))

	_, err = w.client.ForgetEmptyChunks(t.Context(), "D")
	require.NoError(t, err)
	w.exec("DROP TABLE E_EmptyChunks")
	w.exec("CREATE TABLE E_EmptyChunks (other INT)")
	result, err := m.Once(t.Context())
	require.ErrorContains(t, err, "the tables of empty chunks do not: database E: the table of empty chunks is left alone")
	assert.Positive(t, result.Revision)
	assert.Equal(t, unknown, w.emptyInMySQL("D"), "one that cannot be kept holds up no other")
	before, mod := w.emptyInEtcd("E"), w.emptyModified("E")
	assert.Equal(t, "", before)
	assert.Equal(t, mod, w.emptyModified("E"))
}

// TestEmptyChunksOnceWhereBothWrite: what others built is taken into etcd.
func TestEmptyChunksOnceWhereBothWrite(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.shared()
	m := w.forOnce(w.sharing)
	w.mirrorsOnce(m)
	w.publish("E", "3-4", func() {})
	takes := []mirror.EmptyDifference{{DB: "E", MySQL: said("3-4"), Action: emptychunks.Take}}
	assert.Equal(t, takes, w.compared().EmptyChunks)
	assert.Equal(t, unknown, w.emptyInEtcd("E"), "a comparison writes nothing")
	assert.Equal(t, takes, w.mirrorsOnce(m))
	assert.Equal(t, "3-4", w.emptyInEtcd("E"))
	assert.True(t, w.compared().InAgreement())
}

// TestEmptyChunksAreChecked: what a mirror would change is a difference, and what it settles by itself is none.
func TestEmptyChunksAreChecked(t *testing.T) {
	t.Parallel()
	w := withDatabases(t)
	w.setEmpty("D", "0-2,7")
	w.mirrorsOnce(w.forOnce())
	w.exec("CREATE TABLE E_EmptyChunks (chunkId INT NOT NULL PRIMARY KEY)") // etcd has never said anything of E
	report := w.compared()
	assert.True(t, report.InAgreement())
	assert.Equal(t, 2, report.EmptySets)

	w.exec("CREATE TABLE Stray_EmptyChunks (other INT)")
	assert.True(t, w.compared().InAgreement(), "it is left alone, whatever it is")
	assert.Empty(t, w.mirrorsOnce(w.forOnce()))
	locked := w.hold("INSERT INTO D_EmptyChunks VALUES (99)")
	report = w.compared()
	require.NoError(t, locked.Rollback())
	assert.Empty(t, report.Differences)
	require.Len(t, report.EmptyChunks, 1)
	assert.ErrorIs(t, report.EmptyChunks[0].Err, mirror.ErrBusy)
	assert.ErrorContains(t, report.EmptyChunks[0].Err, "somebody is writing the table `D_EmptyChunks`")

	w.exec("UPDATE D_EmptyChunks SET chunkId = 9 WHERE chunkId = 7")
	report = w.compared()
	assert.False(t, report.InAgreement())
	require.Equal(t, []mirror.EmptyDifference{
		{DB: "D", MySQL: said("0-2,9"), Etcd: said("0-2,7"), Action: emptychunks.Write}}, report.EmptyChunks)
	require.Equal(t, []string{"DELETE FROM `D_EmptyChunks` WHERE chunkId IN (9)",
		"INSERT INTO `D_EmptyChunks` (chunkId) VALUES (7)"}, report.SQL())
	for _, statement := range report.SQL() {
		w.exec(statement)
	}
	assert.True(t, w.compared().InAgreement())

	w.run(w.mirror(w.keeping))
	for range 5 {
		w.exec("DELETE FROM D_EmptyChunks")
		w.setEmpty("E", "1-5")
		assert.True(t, w.compared().InAgreement(), "a mirror at work makes no difference")
		_, err := w.client.ForgetEmptyChunks(t.Context(), "E")
		require.NoError(t, err)
	}
	w.exec("DROP TABLE D_EmptyChunks")
	w.exec("CREATE TABLE D_EmptyChunks (other INT)")
	report = w.compared()
	require.Len(t, report.EmptyChunks, 1)
	assert.ErrorContains(t, report.EmptyChunks[0].Err, "no column chunkId")
	assert.Empty(t, report.SQL())
}

func (w *world) emptyModified(db string) cssetcd.Revision {
	w.t.Helper()
	s, err := w.client.Snapshot(w.t.Context(), 0)
	require.NoError(w.t, err)
	return s.EmptyChunksModified(db)
}

func said(set string) emptychunks.Side { return emptychunks.Said(chunkset.MustParse(set)) }
