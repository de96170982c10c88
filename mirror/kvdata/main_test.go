package kvdata_test

import (
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const patience = time.Minute

// server is an empty database in MySQL.
type server struct {
	t      testing.TB
	target *mysql.Config
	sql    *sql.DB
}

var servers atomic.Int32

func newServer(t testing.TB) *server {
	t.Helper()
	name := fmt.Sprintf("kv_%d", servers.Add(1))
	admin := openSQL(t, testkit.SharedMariaDB(t).Config(""))
	_, err := admin.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	target := testkit.SharedMariaDB(t).Config(name)
	other := target.Clone()
	other.MultiStatements = true
	return &server{t: t, target: target, sql: openSQL(t, other)}
}

func openSQL(t testing.TB, cfg *mysql.Config) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

// exec executes a statement as someone else than the mirror.
func (s *server) exec(query string, args ...any) {
	s.t.Helper()
	_, err := s.sql.ExecContext(s.t.Context(), query, args...)
	require.NoError(s.t, err)
}

// binlog is a server that logs what it changes.
var binlog = mariadbd.Options{Args: []string{"--log-bin=binlog", "--server-id=1", "--binlog-format=MIXED"}}
