package inbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// TestWhatWasBelowAnotherSpelling is a world in which the simulator once saw half a table, and there is none. A key was
// written below the name U while kvData had that of u, and was overruled; when u had gone, U was made, of which that
// key never was a part.
func TestWhatWasBelowAnotherSpelling(t *testing.T) {
	s := newSimulation(t, 1, map[string]int{})
	s.calm = true
	lower, upper := csskey.TableKey("a", "u"), csskey.TableKey("a", "U")
	s.goPuts([]string{"/DBS/a", "/DBS/a/TABLES", lower}, []string{"READY", "", "READY"})
	s.begin()
	m := s.mirrors[0]
	m.once()

	for conn, write := range []func(x *sqlTxn){
		func(x *sqlTxn) { x.set(upper+"/partitioning", "1") },
		func(x *sqlTxn) { x.drop(upper + "/partitioning") },
		func(x *sqlTxn) { x.drop(lower) },
		func(x *sqlTxn) { x.set(upper, "READY"); x.set(upper+"/schema", "s") },
	} {
		write(&sqlTxn{server: s.sql, conn: int64(conn) + 1})
		m.readInbox()
		require.NoError(t, m.takeAll())
	}
	assert.Equal(t, map[int64]string{1: KindConflict, 2: KindConflict, 3: isTaken, 4: isTaken, 5: isTaken}, s.verdicts)
	s.comeToRest()
	assert.Equal(t, "s", s.etcd().At(csskey.Of(upper+"/schema")).Value)
}

// TestMySQLIsSetBackUnseen has a MySQL that is set back to the revision at which rows were decided on, of which it has
// some no more. What others write then is on the incarnation that it shows, and not on the one that came of these rows;
// and it has their ids.
func TestMySQLIsSetBackUnseen(t *testing.T) {
	s := newSimulation(t, 1, map[string]int{})
	s.calm = true
	s.goPuts([]string{"/DBS/a"}, []string{"READY"})
	s.begin()
	m := s.mirrors[0]
	m.once()

	write := func(conn int64, write func(x *sqlTxn)) { write(&sqlTxn{server: s.sql, conn: conn}) }
	write(1, func(x *sqlTxn) { x.set("/m", "1") })
	s.backUp()
	write(2, func(x *sqlTxn) { x.drop("/DBS/a"); x.set("/DBS/a", "READY") })
	m.readInbox()
	require.NoError(t, m.takeAll())
	require.Equal(t, map[int64]string{1: isTaken, 2: isTaken, 3: isTaken}, s.verdicts)
	life := s.etcd().At(csskey.Of("/DBS/a")).Create

	s.setBack()
	write(3, func(x *sqlTxn) { x.set("/DBS/a", "FAILED:x") })
	assert.EqualValues(t, 2, s.sql.inbox[1].ID)
	s.comeToRest()
	assert.Equal(t, KindDrift, s.verdicts[2])
	assert.Equal(t, kv.Entry{Value: "READY", Create: life, Mod: life}, s.etcd().At(csskey.Of("/DBS/a")))
}

// TestIDsComeAgain has a MySQL that is set back unseen and whose inbox then has as many rows with the same ids: they
// are others, since they were written later.
func TestIDsComeAgain(t *testing.T) {
	s := newSimulation(t, 1, map[string]int{})
	s.calm = true
	s.begin()
	m := s.mirrors[0]
	m.once()
	write := func(value string) { (&sqlTxn{server: s.sql, conn: 1}).set("/m", value) }
	s.backUp()
	write("1")
	m.readInbox()
	require.NoError(t, m.takeAll())

	s.setBack()
	write("2")
	require.EqualValues(t, 1, s.sql.inbox[0].ID)
	s.comeToRest()
	assert.Equal(t, map[int64]string{1: KindDrift}, s.verdicts)
	assert.Len(t, s.sql.records, 1)
}

// TestWhatLacksAPartIsNotReady has a table made in several transactions, as Qserv does, of which one is overruled, with
// and without a step before the table is to be READY.
func TestWhatLacksAPartIsNotReady(t *testing.T) {
	const name = "/DBS/a/TABLES/T"
	for _, tt := range []struct {
		step  bool
		rules Rules
		want  string
	}{{false, Rules{}, "CREATING"}, {true, Rules{}, "CREATING"}, {true, Without(CompletesNames), "READY"}} {
		s := newSimulation(t, 1, map[string]int{})
		s.calm, s.rules = true, tt.rules
		s.goPuts([]string{"/DBS/a", "/DBS/a/TABLES", "/m"}, []string{"READY", "", "1"})
		s.begin()
		m := s.mirrors[0]
		m.once()
		write := func(conn int64, write func(x *sqlTxn)) { write(&sqlTxn{server: s.sql, conn: conn}) }
		write(1, func(x *sqlTxn) { x.set(name, "CREATING") })
		m.once()
		s.goPuts([]string{"/m"}, []string{"2"})
		write(2, func(x *sqlTxn) { x.set("/m", "3"); x.set(name+"/partitioning", "") })
		m.readInbox()
		require.NoError(t, m.takeAll())
		if tt.step {
			s.comeToRest()
		}
		write(3, func(x *sqlTxn) { x.set(name, "READY") })
		s.comeToRest()
		assert.Equal(t, tt.want, s.etcd().At(csskey.Of(name)).Value)

		write(4, func(x *sqlTxn) { x.drop(name) })
		s.comeToRest()
		write(5, func(x *sqlTxn) { x.set(name, "CREATING") })
		s.comeToRest()
		write(6, func(x *sqlTxn) { x.set(name, "READY") })
		s.comeToRest()
		assert.Equal(t, "READY", s.etcd().At(csskey.Of(name)).Value, "another table of that name")
	}
}
