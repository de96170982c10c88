package csskey_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/csskey"
)

func TestParseSaysWhatAKeyIsAPartOf(t *testing.T) {
	object := csskey.Object{Kind: csskey.Table, DB: "lsst", Name: "Object"}
	lsst := csskey.Object{Kind: csskey.Database, DB: "lsst"}
	for key, want := range map[string]csskey.Key{
		"":                               {},
		"/":                              {Rest: "/"},
		"lsst":                           {Rest: "lsst"},
		"/css_meta/version":              {Rest: "/css_meta/version"},
		"/DBS":                           {Rest: "/DBS"},
		"/DBS/":                          {Rest: "/DBS/"},
		"/DBS//TABLES/Object":            {Rest: "/DBS//TABLES/Object"},
		"/DBS/.packed.json":              {Rest: "/DBS/.packed.json"},
		"/DBSX/lsst":                     {Rest: "/DBSX/lsst"},
		"/dbs/lsst":                      {Rest: "/dbs/lsst"},
		"/NODES/.packed.json":            {Rest: "/NODES/.packed.json"},
		"/DBS/lsst":                      {Object: lsst},
		"/DBS/lsst/":                     {Object: lsst, Rest: "/"},
		"/DBS/lsst/.packed.json":         {Object: lsst, Rest: "/.packed.json"},
		"/DBS/lsst/TABLES":               {Object: lsst, Rest: "/TABLES"},
		"/DBS/lsst/TABLES/":              {Object: lsst, Rest: "/TABLES/"},
		"/DBS/lsst/TABLES/.packed.json":  {Object: lsst, Rest: "/TABLES/.packed.json"},
		"/DBS/lsst/TABLESX/Object":       {Object: lsst, Rest: "/TABLESX/Object"},
		"/DBS/lsst/TABLES/Object":        {Object: object},
		"/DBS/lsst/TABLES/Object/schema": {Object: object, Rest: "/schema"},
		"/DBS/lsst/TABLES/Object/CHUNKS": {Object: object, Rest: "/CHUNKS"},
		"/DBS/lsst/TABLES/Object2/schema": {Object: csskey.Object{Kind: csskey.Table, DB: "lsst", Name: "Object2"},
			Rest: "/schema"},
		"/NODES/worker-1":      {Object: csskey.Object{Kind: csskey.Node, Name: "worker-1"}},
		"/NODES/worker-1/port": {Object: csskey.Object{Kind: csskey.Node, Name: "worker-1"}, Rest: "/port"},
		"/PARTITIONING/_0000000001/overlap": {
			Object: csskey.Object{Kind: csskey.Partitioning, Name: "_0000000001"}, Rest: "/overlap",
		},
	} {
		got := csskey.Parse(key)
		assert.Equal(t, want, got, key)
		assert.Equal(t, key, got.String())
	}
}

func TestNamesOfAKey(t *testing.T) {
	const db, table = "/DBS/lsst", "/DBS/lsst/TABLES/Object"
	for key, want := range map[string][]string{
		"/DBS": nil, "/css_meta/version": nil, "/PARTITIONING/_0000000001": nil,
		db: {db}, db + "/TABLES": {db}, table: {db, table}, table + "/schema": {db, table},
		"/NODES/worker-1": {"/NODES/worker-1"}, "/NODES/worker-1/port": {"/NODES/worker-1"},
	} {
		k := csskey.Parse(key)
		assert.Equal(t, want, k.Names(), key)
		assert.Equal(t, len(want) > 0 && want[len(want)-1] == key, k.IsName(), key)
		assert.Equal(t, k.IsName() && strings.HasPrefix(key, "/DBS/"), k.IsStatus(), key)
		gotDB, gotTable, ok := csskey.Split(key)
		assert.Equal(t, k.IsStatus(), ok, key)
		if ok {
			assert.Equal(t, []string{k.DB, k.Name}, []string{gotDB, gotTable})
		}
	}
	assert.Len(t, csskey.Parse(table).Intents(), 2, "that of its database forbids it, too")
	assert.Len(t, csskey.Parse(db).Intents(), 1)
	assert.Empty(t, csskey.Parse("/NODES/worker-1").Intents())
}

func TestChunkOfAKey(t *testing.T) {
	const table = "/DBS/lsst/TABLES/Object"
	for _, c := range []struct {
		key      string
		inChunks bool
		id       string
	}{
		{"/DBS/lsst/CHUNKS/12", false, ""},
		{"/NODES/worker-1/CHUNKS/12", false, ""},
		{table, false, ""},
		{table + "/CHUNKSX/12", false, ""},
		{table + "/CHUNKS", true, ""},
		{table + "/CHUNKS/.packed.json", true, ""},
		{table + "/CHUNKS/12", true, "12"},
		{table + "/CHUNKS/twelve", true, "twelve"},
		{table + "/CHUNKS/12/REPLICAS", true, ""},
	} {
		k := csskey.Parse(c.key)
		id, ok := k.Chunk()
		assert.Equal(t, c.inChunks, k.InChunks(), c.key)
		if assert.Equal(t, c.id != "", ok, c.key) && ok {
			assert.Equal(t, c.id, id)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	assert.Zero(t, testing.AllocsPerRun(10, func() { csskey.Parse("/DBS/lsst/TABLES/Object/CHUNKS/12/REPLICAS") }))
}
