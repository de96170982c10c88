package cssetcd_test

import (
	"fmt"
	"testing"

	"github.com/qserv/css-etcd/cssetcd"
)

// BenchmarkSnapshotTable reads decoded tables of 500 databases with twelve tables each, the names in no order.
func BenchmarkSnapshotTable(b *testing.B) {
	catalogue := map[string]string{}
	var names []cssetcd.TableName
	for db := range 500 {
		name := fmt.Sprintf("lsst_release_%03d", db)
		catalogue["/DBS/"+name] = "READY"
		for table := range 12 {
			n := cssetcd.TableName{DB: name, Table: fmt.Sprintf("Object_%02d", table)}
			catalogue[fmt.Sprintf("/DBS/%s/TABLES/%s", n.DB, n.Table)] = "READY"
			names = append(names, n)
		}
	}
	s := snapshotOf(catalogue)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := s.Table(names[i]); err != nil {
			b.Fatal(err)
		}
		i = (i + 7919) % len(names)
	}
}
