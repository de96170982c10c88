package mirror_test

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/internal/testkit/upstream"
)

// lockstep runs what upstream sends on a table of upstream's alone, and on one that is captured. The ids of rows
// differ, and those that the recordings name are put into terms of the other table.
type lockstep struct {
	t         *testing.T
	alone, in *sql.Conn
	db        *sql.DB // of the table alone
	between   func()  // is called before each statement, if not nil
	others    string  // with which what upstream is told of others begins, if not ""
}

func (w *world) lockstep(t *testing.T) *lockstep {
	t.Helper()
	name := w.target.DBName + "_alone"
	admin := openSQL(t, testkit.SharedMariaDB(t).Config(""))
	_, err := admin.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	db := openSQL(t, testkit.SharedMariaDB(t).Config(name))
	_, err = db.Exec(upstream.Schema(t, upstream.Dir(t)))
	require.NoError(t, err)
	l := &lockstep{t: t, db: db}
	l.alone, err = db.Conn(t.Context())
	require.NoError(t, err)
	l.in, err = w.sql.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.alone.Close()); assert.NoError(t, l.in.Close()) })
	return l
}

// call runs an operation on both tables, statement by statement.
func (l *lockstep) call(op upstream.Operation) {
	l.t.Helper()
	if op.Name == "01-connect" { // on a table that is a CSS already it only looks
		_, err := upstream.Call(l.t.Context(), l.alone, op)
		require.NoError(l.t, err)
		return
	}
	for _, statement := range op.Statements {
		if l.between != nil {
			l.between()
		}
		translated, needless := l.translate(statement)
		want, err := upstream.Run(l.t.Context(), l.alone, statement)
		require.NoError(l.t, err)
		require.Zero(l.t, want[0].Error, "%s: %s: %s", op.Name, statement, want[0].Text)
		if needless {
			continue
		}
		got, err := upstream.Run(l.t.Context(), l.in, translated)
		require.NoError(l.t, err)
		require.Equal(l.t, want[0].Error, got[0].Error, "%s: %s: %s", op.Name, translated, got[0].Text)
		require.Equal(l.t, want[0].Affected, got[0].Affected, "%s: %s", op.Name, translated)
		if !strings.HasPrefix(statement, "SELECT kvId") {
			require.ElementsMatch(l.t, want[0].Rows, l.less(got[0].Rows), "%s: %s", op.Name, translated)
		} else if !strings.Contains(statement, "'/DBS'") && !strings.Contains(statement, "'/NODES'") {
			require.Len(l.t, got[0].Rows, len(want[0].Rows), "%s: %s", op.Name, translated)
		}
	}
}

// less is rows without those of others.
func (l *lockstep) less(rows [][]sql.NullString) [][]sql.NullString {
	return slices.DeleteFunc(rows, func(row []sql.NullString) bool {
		return l.others != "" && len(row) == 1 && strings.HasPrefix(row[0].String, l.others)
	})
}

// translate puts a statement's ids into terms of the captured table. Needless is what upstream would not send there,
// because the row is there already.
func (l *lockstep) translate(statement string) (translated string, needless bool) {
	for _, always := range []string{"", "/DBS", "/NODES"} {
		if strings.HasPrefix(statement, fmt.Sprintf("INSERT INTO kvData (kvKey, kvVal, parentKvId) VALUES ('%s', ''",
			always)) ||
			strings.HasPrefix(statement, fmt.Sprintf("INSERT INTO kvData (kvKey, kvVal) VALUES ('%s', ''", always)) {
			return statement, true
		}
	}
	byParent := strings.Contains(statement, "WHERE parentKvId='")
	inserts := strings.Contains(statement, "(kvKey, kvVal, parentKvId) VALUES")
	if !byParent && !inserts {
		return statement, false
	}
	at := regexp.MustCompile(`WHERE parentKvId='(\d+)'`)
	if inserts {
		at = regexp.MustCompile(`^.*, '(\d+)'\)`)
	}
	place := at.FindStringSubmatchIndex(statement)
	require.NotNil(l.t, place, statement)
	return statement[:place[2]] + l.idOf(statement[place[2]:place[3]]) + statement[place[3]:], false
}

// idOf returns the id of the row in the captured table that has another id in the other one.
func (l *lockstep) idOf(id string) (other string) {
	var key string
	require.NoError(l.t, l.alone.QueryRowContext(l.t.Context(), "SELECT kvKey FROM kvData WHERE kvId = ?", id).Scan(&key))
	require.NoError(l.t, l.in.QueryRowContext(l.t.Context(), "SELECT kvId FROM kvData WHERE kvKey = ?", key).Scan(&other),
		key)
	return other
}

// rows are those of upstream's own table.
func (l *lockstep) rows() map[string]string {
	l.t.Helper()
	rows, err := l.db.QueryContext(l.t.Context(), "SELECT kvKey, kvVal FROM kvData")
	require.NoError(l.t, err)
	defer rows.Close()
	all := map[string]string{"/DBS": "", "/NODES": ""}
	for rows.Next() {
		var key, value string
		require.NoError(l.t, rows.Scan(&key, &value))
		all[key] = value
	}
	require.NoError(l.t, rows.Err())
	return all
}

// Rule: what unmodified upstream writes into kvData is in etcd as upstream wrote it, after each of its operations, and
// its operations are answered as if nobody else were there.
func TestUpstreamsOperationsAreTaken(t *testing.T) {
	t.Parallel()
	operations := upstream.Operations(t, upstream.Dir(t))
	w := newWorld(t)
	w.put("/css_meta", "", "/DBS", "", "/NODES", "")
	w.shared()
	m := w.mirror(w.sharing)
	w.run(m)
	awaitStatus(t, m, following)
	l := w.lockstep(t)
	for _, op := range operations {
		l.call(op)
		w.rest()
		want, got := l.rows(), map[string]string{}
		for key, r := range w.rows() {
			got[key] = r.value
		}
		require.Equal(t, want, got, op.Name)
	}
	assert.Empty(t, w.conflicts())
}
