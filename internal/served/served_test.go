package served_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/served"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func lines(sets map[string]chunkset.Set) string { return fmt.Sprint(sets) }

func TestParsing(t *testing.T) {
	t.Parallel()
	sets, err := served.Parse([]byte("# of the worker\n\nLSST 1-3,7\r\n other\t none\nLSST 8\n"))
	require.NoError(t, err)
	assert.Equal(t, "map[LSST:1-3,7-8 other:]", lines(sets))
	for text, want := range map[string]string{
		"LSST":       `line 1: "LSST" is not the name of a database, a blank, and chunks`,
		"\nLSST 1 2": `line 2: "LSST 1 2" is not`,
		"LSST 3-1":   "line 1: ",
		"LSST 1, 2":  "line 1: ",
	} {
		_, err := served.Parse([]byte(text))
		assert.ErrorContains(t, err, want)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	program := func(script string) string {
		path := filepath.Join(t.TempDir(), "serves")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700))
		return path
	}
	sets, err := served.Command(program("echo LSST 1-3"))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "map[LSST:1-3]", lines(sets))
	for script, want := range map[string]string{
		"echo LSST 1; echo sorry >&2; exit 3": "exit status 3: sorry",
		"echo LSST x":                         "printed: line 1: ",
		"sleep 60":                            "it did not end within 300ms",
		"yes LSST 1":                          "it did not end within 300ms",
		"head -c 70000000 /dev/zero":          "it printed more than 64 MiB",
	} {
		ctx, cancel := t.Context(), func() {}
		if strings.Contains(want, "300ms") {
			ctx, cancel = context.WithTimeoutCause(ctx, 300*time.Millisecond, errors.New("it did not end within 300ms"))
		}
		_, err := served.Command(program(script))(ctx)
		cancel()
		assert.ErrorContains(t, err, want, script)
	}
}

func TestMySQL(t *testing.T) {
	t.Parallel()
	target := testkit.SharedMariaDB(t).Config("")
	admin := open(t, target)
	for _, statement := range []string{
		"CREATE DATABASE qservw_w1", "USE qservw_w1",
		"CREATE TABLE Dbs (db CHAR(200) NOT NULL)",
		"CREATE TABLE Chunks (db CHAR(200) NOT NULL, chunk INT UNSIGNED NOT NULL)",
		"INSERT INTO Dbs VALUES ('LSST'), ('new')",
		"INSERT INTO Chunks VALUES ('LSST', 1), ('LSST', 1234567890), ('gone', 3)",
	} {
		_, err := admin.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	of := func(schema string) (map[string]chunkset.Set, error) {
		config := target.Clone()
		config.DBName = schema
		return served.MySQL(open(t, config))(t.Context())
	}
	sets, err := of("qservw_w1")
	require.NoError(t, err)
	assert.Equal(t, "map[LSST:1,1234567890 new:]", lines(sets), "what is not in Dbs, the worker does not serve")
	_, err = of("mysql")
	assert.ErrorContains(t, err, "read the tables Dbs and Chunks of the worker: ")
}

func open(t *testing.T, config *mysql.Config) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

// Rule: of a worker that cannot be asked nothing is served after a while; and what was wrong is said once.
func TestFollowing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var said []string
		answer := func(context.Context) (map[string]chunkset.Set, error) {
			return map[string]chunkset.Set{"LSST": chunkset.MustParse("1")}, nil
		}
		note := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
		done := make(chan error, 1)
		go func() {
			done <- served.Follow(ctx, func(ctx context.Context) (map[string]chunkset.Set, error) {
				mu.Lock()
				now := answer
				mu.Unlock()
				return now(ctx)
			}, 2*time.Second, 9*time.Second, func(sets map[string]chunkset.Set, known bool) error {
				if assert.Equal(t, sets != nil, known); known {
					note("%v", sets)
				} else {
					note("unknown")
				}
				if sets["bad"].Contains(1) {
					return errors.New("bad name")
				}
				return nil
			}, func(err error) { note("trouble %v", err) })
		}()
		next := func(d time.Duration, now func(context.Context) (map[string]chunkset.Set, error)) []string {
			time.Sleep(d)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			answer = now
			all := said
			said = nil
			return all
		}
		fails := func(context.Context) (map[string]chunkset.Set, error) { return nil, errors.New("gone") }
		hangs := func(ctx context.Context) (map[string]chunkset.Set, error) { <-ctx.Done(); return nil, ctx.Err() }
		good := answer
		bad := func(context.Context) (map[string]chunkset.Set, error) {
			return map[string]chunkset.Set{"bad": chunkset.MustParse("1")}, nil
		}
		const empty = "; until that is over the worker is published as serving nothing"
		assert.Equal(t, []string{"map[LSST:1]", "map[LSST:1]"}, next(3*time.Second, fails))              // at 0 and 2
		assert.Equal(t, []string{"trouble gone"}, next(6*time.Second, fails))                            // at 4
		assert.Equal(t, []string{"unknown", "trouble gone" + empty}, next(3*time.Second, good))          // at 11
		assert.Equal(t, []string{"unknown", "map[LSST:1]", "trouble <nil>"}, next(2*time.Second, fails)) // at 13
		assert.Equal(t, []string{"trouble gone"}, next(2*time.Second, hangs))                            // at 15
		assert.Equal(t, []string{"unknown", "trouble it did not answer within 5s: context deadline exceeded" + empty},
			next(7*time.Second, bad)) // from 17 until 22
		assert.Equal(t, []string{"unknown", "map[bad:1]"}, next(11*time.Second, good)) // after another 9 s, at 33
		assert.Equal(t, []string{"unknown", "map[LSST:1]", "trouble <nil>"}, next(2*time.Second, bad))
		assert.Equal(t, []string{"map[bad:1]", "trouble bad name"}, next(2*time.Second, good))
		cancel()
		assert.ErrorIs(t, <-done, context.Canceled)
	})
}
