package kvdata_test

import (
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
	release, err := first.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	second, err := kvdata.Open(t.Context(), s.target, 10*time.Second)
	require.NoError(t, err)
	defer second.Close()
	state, _, err := second.TakeOver(t.Context(), by)
	require.NoError(t, err)
	assert.EqualValues(t, 2, state.Term)
}

// Rule: a server that logs statements cannot be written to, and says so.
func TestBinlogFormatHasAMeaning(t *testing.T) {
	target := &mysql.Config{Addr: "there"}
	err := kvdata.Explain(target, &mysql.MySQLError{Number: 1665, Message: "as the server says it"})
	assert.ErrorIs(t, err, kvdata.ErrBinlogFormat)
}
