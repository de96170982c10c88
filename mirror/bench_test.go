package mirror_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/mirror"
)

// BenchmarkLoad loads a table of 100,000 rows, and the same rows by plain INSERTs of 1,000 rows through the same
// driver.
func BenchmarkLoad(b *testing.B) {
	const n = 100_000
	w := newWorld(b)
	for i := 0; i < n; i += 100 {
		var ops []clientv3.Op
		for j := i; j < i+100; j++ {
			ops = append(ops, w.opPut(fmt.Sprintf("/DBS/a/TABLES/Object/CHUNKS/%d", j), `{"nodeName":"worker-1"} `))
		}
		w.txn(ops...)
	}
	w.once()
	rows := w.rows()
	keys := w.keys("")
	m := w.mirror()
	db := openSQL(b, plain(w.target))
	var ours, theirs time.Duration
	for b.Loop() {
		w.exec("DELETE FROM kvData ORDER BY LENGTH(kvKey) DESC")
		began := time.Now()
		_, err := m.Once(b.Context())
		require.NoError(b, err)
		ours += time.Since(began)

		w.exec("DELETE FROM kvData ORDER BY LENGTH(kvKey) DESC")
		began = time.Now()
		tx, err := db.Begin()
		require.NoError(b, err)
		for i := 0; i < len(keys); i += 1000 {
			query, args := "INSERT INTO kvData (kvId, kvKey, kvVal, parentKvId) VALUES ", []any(nil)
			for j, key := range keys[i:min(i+1000, len(keys))] {
				if j > 0 {
					query += ","
				}
				query += "(?,?,?,?)"
				r := rows[key]
				args = append(args, r.id, key, r.value, r.parent)
			}
			_, err := tx.Exec(query, args...)
			require.NoError(b, err)
		}
		require.NoError(b, tx.Commit())
		theirs += time.Since(began)
	}
	b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ms/mirror")
	b.ReportMetric(float64(theirs.Milliseconds())/float64(b.N), "ms/plain")
	b.ReportMetric(float64(theirs)/float64(ours), "speed-vs-plain")
}

// BenchmarkLag measures from before a Put to when the change is in MySQL.
func BenchmarkLag(b *testing.B) {
	w := newWorld(b)
	m := w.mirror()
	w.run(m)
	w.await(w.put("/DBS/a", "0"))
	i := 0
	for b.Loop() {
		i++
		rev := w.put("/DBS/a", strconv.Itoa(i))
		for m.Status().Applied < rev {
			time.Sleep(20 * time.Microsecond)
		}
	}
	require.Equal(b, mirror.Following, m.Status().Phase)
}

// plain is the target as anyone would use it for many inserts.
func plain(target *mysql.Config) *mysql.Config {
	c := target.Clone()
	c.InterpolateParams = true
	return c
}
