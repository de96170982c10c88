package cssetcd

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// benchCatalogue returns a snapshot of tables in databases of twelve, each with the same number of chunks of one
// replica.
func benchCatalogue(tables, chunks int) (*Snapshot, []TableName) {
	b := kv.NewSnapshot(1, csskey.Catalogue).Edit()
	put := func(key, value string) { b.Put(cssPath(key), kv.Entry{Value: value, Create: 1, Mod: 1}) }
	put(dbsKey, "")
	var names []TableName
	for t := range tables {
		n := TableName{fmt.Sprintf("survey_release_%03d", t/12), fmt.Sprintf("Measurement_%02d", t%12)}
		if t%12 == 0 {
			put(dbKey(n.DB), string(StatusReady))
			put(tablesKey(n.DB), "")
		}
		names = append(names, n)
		put(n.key(), string(StatusReady))
		put(n.schemaKey(), "(objectId BIGINT NOT NULL, ra DOUBLE, decl DOUBLE)")
		for c := range chunks {
			put(fmt.Sprintf("%s/CHUNKS/%d/REPLICAS/0000000001/.packed.json", n.key(), c), `{"nodeName":"worker-1"} `)
		}
	}
	return newSnapshot(b.Snapshot(1), 0), names
}

// BenchmarkTableLookup reads 64 tables in turn, and all of them.
func BenchmarkTableLookup(b *testing.B) {
	s, all := benchCatalogue(3600, 25)
	for _, names := range [][]TableName{all[:64], all} {
		b.Run(fmt.Sprintf("tables=%d", len(names)), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := s.Table(names[i%len(names)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUpdate makes the snapshot after a change of one key, as a view does.
func BenchmarkUpdate(b *testing.B) {
	for _, chunks := range []int{0, 25, 275} {
		s, names := benchCatalogue(3600, chunks)
		for _, of := range []struct {
			what string
			path func(TableName) kv.Path
		}{
			{"table", func(n TableName) kv.Path { return cssPath(n.key()) }},
			{"schema", func(n TableName) kv.Path { return cssPath(n.schemaKey()) }},
		} {
			b.Run(fmt.Sprintf("keys=%d/%s", s.Len(), of.what), func(b *testing.B) {
				b.ReportAllocs()
				now, at := s, s.Revision()
				for i := 0; b.Loop(); i++ {
					p := of.path(names[i*7%len(names)])
					edit := now.kv.Edit()
					at++
					old, was := edit.Put(p, kv.Entry{Value: string(StatusReady), Create: 1, Mod: at})
					require.True(b, was && old.Create == 1)
					now = now.next(edit.Snapshot(at), 0, []kv.Path{p})
				}
			})
		}
	}
}
