package mirror_test

import (
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// equalRows compares kvData with etcd by a reckoning of its own, which shares no code with css-sync: the rows of all
// keys and their ancestors, where of keys that differ in case only the oldest counts.
func (w *world) equalRows(db *sql.DB) {
	t := w.t
	t.Helper()
	var quarantined int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM css_mirror_quarantine").Scan(&quarantined))
	want := w.naiveImage()
	rows, err := db.Query("SELECT c.kvKey, c.kvVal, p.kvKey FROM kvData c LEFT JOIN kvData p ON p.kvId = c.parentKvId")
	require.NoError(t, err)
	defer rows.Close()
	have := map[string]string{}
	for rows.Next() {
		var key, value string
		var parent sql.NullString
		require.NoError(t, rows.Scan(&key, &value, &parent))
		have[key] = value
		if key == "" {
			assert.False(t, parent.Valid, "the root has no parent")
		} else {
			assert.Equal(t, key[:strings.LastIndexByte(key, '/')], parent.String, "parent of %s", key)
		}
	}
	require.NoError(t, rows.Err())
	assert.Equal(t, want, have)
	t.Logf("%d rows equal etcd; %d keys in quarantine", len(have), quarantined)
}

// naiveImage is the table that etcd's newest state asks for.
func (w *world) naiveImage() map[string]string {
	resp, err := w.raw.Get(w.t.Context(), "/qserv/css/", clientv3.WithPrefix())
	require.NoError(w.t, err)
	value, age := map[string]string{}, map[string]int64{}
	for _, e := range resp.Kvs {
		key := strings.TrimPrefix(string(e.Key), "/qserv/css")
		value[key] = string(e.Value)
		for k := key; k != ""; k = k[:strings.LastIndexByte(k, '/')] {
			if a, ok := age[k]; !ok || e.CreateRevision < a {
				age[k] = e.CreateRevision
			}
		}
	}
	for _, pinned := range []string{"", "/DBS", "/NODES"} {
		age[pinned] = 0
	}
	image, spelled := map[string]string{}, map[string]string{}
	keys := slices.SortedFunc(maps.Keys(age), func(a, b string) int {
		if d := strings.Count(a, "/") - strings.Count(b, "/"); d != 0 {
			return d
		}
		if age[a] != age[b] {
			return int(age[a] - age[b])
		}
		return strings.Compare(a, b)
	})
	for _, k := range keys {
		if k != "" {
			if _, ok := image[k[:strings.LastIndexByte(k, '/')]]; !ok {
				continue // its parent is left out
			}
		}
		if _, taken := spelled[strings.ToLower(k)]; taken {
			continue
		}
		spelled[strings.ToLower(k)] = k
		image[k] = value[k]
	}
	return image
}
