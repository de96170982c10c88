package inbox

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// TestANameThatComesAgainInAnotherSpelling has three writers drop a database, make it in another spelling, and put
// something below that. The table's unique index takes both spellings for one key, and so their rows are one unit: were
// they judged one by one, the new name would be overruled for the old one, which goes with the same transaction.
func TestANameThatComesAgainInAnotherSpelling(t *testing.T) {
	there := Value{There: true, Text: "READY"}
	shot := Snapshot{Applied: 1, Rows: []Row{
		{ID: 1, Conn: 1, KvID: 4, Parent: 2, Key: "/DBS/a", Before: there},
		{ID: 2, Conn: 2, KvID: 5, Parent: 2, Key: "/DBS/A", After: there},
		{ID: 3, Conn: 3, KvID: 6, Parent: 5, Key: "/DBS/A/TABLES", After: Value{There: true}},
	}}
	store := catalogueOf(map[string]string{csskey.Databases: "", "/DBS/a": "READY"})

	d := shot.Decide(mirrorName, historyText, Taken{}, Rules{})
	taken := carryOut(t, store, d)
	assert.Equal(t, IDsOf(1), taken.IDs, "the rest waits until the old name is gone")
	d = d.Next(taken)
	taken = carryOut(t, store, d)
	assert.Equal(t, IDsOf(1, 2, 3), taken.IDs)
	assert.Empty(t, taken.Overruled)
	assert.True(t, d.Next(taken).Empty())

	now, err := store.Fetch(context.Background(), 0, kv.Everything)
	require.NoError(t, err)
	assert.False(t, now.At(csskey.Of("/DBS/a")).Exists())
	assert.Equal(t, "READY", now.At(csskey.Of("/DBS/A")).Value)
	assert.True(t, now.At(csskey.Of("/DBS/A/TABLES")).Exists())
	assert.Equal(t, "/DBS/A", now.At(csskey.Spelling("/DBS/A")).Value)
}

// catalogueOf returns a store at revision 1 that holds keys of a catalogue, and what is kept beside them.
func catalogueOf(keys map[string]string) *kv.Memory {
	b := kv.NewSnapshot(1, kv.Everything).Edit()
	put := func(p kv.Path, value string) { b.Put(p, kv.Entry{Value: value, Create: 1, Mod: 1}) }
	put(csskey.History, historyText)
	put(csskey.Of(csskey.Version), cssetcd.Version)
	for key, value := range keys {
		if put(csskey.Of(key), value); csskey.Parse(key).IsName() {
			put(csskey.Spelling(key), key)
		}
	}
	return kv.NewMemoryAt(b.Snapshot(1), func(*kv.Snapshot) error { return nil })
}

func carryOut(t *testing.T, store kv.Store, d Decision) (next Taken) {
	t.Helper()
	at, err := kv.Run(context.Background(), store, kv.Op{Name: "decide", Reads: d.Reads(),
		Plan: func(have *kv.Snapshot) (c kv.Change, err error) {
			c, next, err = d.Change(have)
			return c, err
		}})
	require.NoError(t, err)
	next.At = at
	return next
}
