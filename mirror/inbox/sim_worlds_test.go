package inbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/csskey"
)

// TestWhatWasBelowAnotherSpelling is a world in which the simulator once saw half a table, and there is none. A key was
// written below the name U while kvData had that of u, and was overruled; when u had gone, U was made, of which that key
// never was a part.
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
