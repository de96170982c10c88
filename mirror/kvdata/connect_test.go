package kvdata_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Rule M7: a server that would shorten values with a warning only is not allowed to.
func TestSessionsAreStrict(t *testing.T) {
	s := newServer(t)
	var mode string
	require.NoError(t, s.sql.QueryRow("SELECT @@GLOBAL.sql_mode").Scan(&mode))
	defer s.exec("SET GLOBAL sql_mode = ?", mode)
	s.exec("SET GLOBAL sql_mode = ''")
	mode, err := kvdata.SessionVariable(t.Context(), s.target, "sql_mode")
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"STRICT_ALL_TABLES", "NO_AUTO_VALUE_ON_ZERO", "NO_ENGINE_SUBSTITUTION"},
		strings.Split(mode, ","))
}

// Rule: a mirror that stands still in the middle of a transaction, for as long as it likes, holds up the next one for
// not much longer than its time-out: the server ends what it holds.
func TestServerEndsAnIdleTransaction(t *testing.T) {
	s := newServer(t)
	by := kvdata.Claim{Name: "a", Identity: cssetcd.Identity{Prefix: "/p"}}
	first, err := kvdata.Open(t.Context(), s.target, time.Second)
	require.NoError(t, err)
	defer first.Close()
	_, _, err = first.TakeOver(t.Context(), by)
	require.NoError(t, err)
	release, err := first.HoldState(t.Context())
	require.NoError(t, err)
	defer release()
	second, err := kvdata.Open(t.Context(), s.target, 10*time.Second)
	require.NoError(t, err)
	defer second.Close()
	state, _, err := second.TakeOver(t.Context(), by)
	require.NoError(t, err)
	assert.EqualValues(t, 2, state.Term)
}

// Rule: a server whose disk is full says so in many ways, and is told as full in all of them; and nothing else is.
func TestFullServerHasAMeaning(t *testing.T) {
	for _, tt := range []struct {
		number uint16
		text   string
		full   bool
	}{
		{1021, "Disk full (/tmp/x); waiting for someone to free some space...", true},
		{1114, "The table 'kvData' is full", true},
		{3675, "Create table/tablespace 'kvData' failed, as disk is full", true},
		{20, "Disk is full writing '/tmp/x' (Errcode: 28)", true},
		{1030, `Got error 28 "No space left on device" from storage engine InnoDB`, true},
		{1030, "Got error 28 from storage engine", true},
		{1026, "Error writing file 'kvData' (errno: 28 - No space left on device)", true},
		{3, `Error writing file '/tmp/MY1' (Errcode: 28 "No space left on device")`, true},
		{3, `Error writing file '/tmp/MY1' (Errcode: 122 "Disk quota exceeded")`, true},
		{14, `Can't change size of file (Errcode: 28 "No space left on device")`, true},
		{1005, `Can't create table 'css'.'kvData' (errno: 28 "No space left on device")`, true},
		{1026, "Error writing file '/data/28/x' (errno: 5 - Input/output error)", false},
		{1030, `Got error 168 "Unknown (generic) error from engine" from storage engine InnoDB`, false},
		{1205, "Lock wait timeout exceeded; try restarting transaction", false},
		{1062, "Duplicate entry 'No space left on device' for key 'kvData_kvKey_UNIQUE'", false},
	} {
		err := kvdata.Explain(&mysql.Config{Addr: "there"}, &mysql.MySQLError{Number: tt.number, Message: tt.text})
		assert.Equal(t, tt.full, errors.Is(err, kvdata.ErrFull), "%d: %s", tt.number, tt.text)
	}
}

// Rule: a server that logs statements cannot be written to, and says so.
func TestBinlogFormatHasAMeaning(t *testing.T) {
	target := &mysql.Config{Addr: "there"}
	err := kvdata.Explain(target, &mysql.MySQLError{Number: 1665, Message: "as the server says it"})
	assert.ErrorIs(t, err, kvdata.ErrBinlogFormat)
}
