package mirror_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestReaderSeesWholeTransactions: in one REPEATABLE READ transaction, read with several statements, keys that one etcd
// transaction writes together always have the same value (M2).
func TestReaderSeesWholeTransactions(t *testing.T) {
	const keys, reads = 40, 300
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := newWorld(t)
	w.seed("still", 1)
	put := func(i int) int64 {
		ops := make([]clientv3.Op, keys)
		for k := range keys {
			ops[k] = clientv3.OpPut(fmt.Sprintf("/qserv/css/TOGETHER/%02d", k), fmt.Sprint(i))
		}
		if i%7 == 6 { // all of them go, and come again
			ops = []clientv3.Op{clientv3.OpDelete("/qserv/css/TOGETHER/", clientv3.WithPrefix())}
		}
		resp, err := w.raw.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return 0
		}
		return resp.Header.Revision
	}
	first := put(0)
	server := w.serve()
	db := w.db()
	w.awaitApplied(db, first, 30*time.Second, server)
	writing := make(chan int)
	go func() {
		i := 1
		for ; ctx.Err() == nil; i++ {
			put(i)
		}
		writing <- i
	}()
	seen := map[string]bool{}
	for range reads {
		value, ok := readTogether(t, db, keys)
		if ok {
			seen[value] = true
		}
	}
	cancel()
	t.Logf("%d reads saw %d of %d states, each whole", reads, len(seen), <-writing)
	require.Greater(t, len(seen), 10, "the reader hardly saw the table change")
}

// readTogether reads the keys in four statements of one transaction and requires that they are all there with one
// value, or none.
func readTogether(t *testing.T, db *sql.DB, keys int) (value string, ok bool) {
	t.Helper()
	tx, err := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	values, rows := map[string]bool{}, 0
	for part := range 4 {
		r, err := tx.Query("SELECT kvVal FROM kvData WHERE kvKey LIKE '/TOGETHER/%' AND kvId % 4 = ?", part)
		require.NoError(t, err)
		for r.Next() {
			require.NoError(t, r.Scan(&value))
			values[value] = true
			rows++
		}
		require.NoError(t, r.Err())
		require.NoError(t, r.Close())
	}
	if rows == 0 {
		return "", false
	}
	require.Equal(t, keys, rows, "part of a transaction is missing")
	require.Len(t, values, 1, "values of two transactions are mixed")
	return value, true
}
