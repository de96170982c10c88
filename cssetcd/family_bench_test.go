package cssetcd_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
)

// BenchmarkFamilies measures what many databases of one schema cost, as they are stored and with each schema stored
// once and referred to: bytes of keys and values, etcd's file after compaction and defragmentation, the time to load
// all, and the memory that a snapshot and a view hold. docs/DESIGN.md quotes it. One round is enough: -benchtime 1x.
func BenchmarkFamilies(b *testing.B) {
	for _, databases := range []int{1, 500} {
		for _, form := range []struct {
			name   string
			stored func(map[string]string) map[string]string
		}{{"plain", asItIs}, {"referenced", referenced}} {
			b.Run(fmt.Sprintf("databases=%d/%s", databases, form.name), func(b *testing.B) {
				measureFamily(b, form.stored(family(databases)))
			})
		}
	}
}

func measureFamily(b *testing.B, rows map[string]string) {
	server := must(embedetcd.Start(b.Context(), embedetcd.Options{UnsafeNoFsync: true}))(b)
	b.Cleanup(func() { require.NoError(b, server.Close()) })
	etcd := must(server.Client())(b)
	b.Cleanup(func() { require.NoError(b, etcd.Close()) })
	c := must(cssetcd.New(b.Context(), etcd))(b)
	text := must(json.Marshal(rows))(b)
	dump := must(cssetcd.ParseDump(strings.NewReader(string(text))))(b)
	must(c.Restore(b.Context(), dump))(b)
	const megabyte = 1e6
	whole, inUse := compacted(b, etcd, server.Endpoints()[0])
	b.ReportMetric(float64(size(rows))/megabyte, "MB-stored")
	b.ReportMetric(float64(whole)/megabyte, "MB-dbSize")
	b.ReportMetric(float64(inUse)/megabyte, "MB-dbSizeInUse")
	b.ReportMetric(float64(len(rows)), "keys")
	var took, bySnapshot, byView []float64
	for range max(9, b.N) {
		bySnapshot = append(bySnapshot, heldBy(func() any {
			began := time.Now()
			s, err := c.Snapshot(b.Context(), 0)
			took = append(took, float64(time.Since(began).Microseconds())/1e3)
			require.NoError(b, err)
			return s
		}))
		var v *cssetcd.View
		byView = append(byView, heldBy(func() any {
			v = must(cssetcd.OpenView(b.Context(), c))(b)
			return v
		}))
		v.Close()
	}
	b.ReportMetric(slices.Min(took), "ms-load") // what else runs on the machine only adds to it
	b.ReportMetric(median(bySnapshot)/megabyte, "MB-snapshot")
	b.ReportMetric(median(byView)/megabyte, "MB-view")
	b.ReportMetric(0, "ns/op") // which would be that of all of this
}

// heldBy returns by how many bytes the live heap is larger for what f returns.
func heldBy(f func() any) float64 {
	before := liveHeap()
	made := f()
	after := liveHeap()
	runtime.KeepAlive(made)
	return float64(after) - float64(before)
}

func liveHeap() uint64 {
	var m runtime.MemStats
	for range 3 { // what a first collection finalizes, a later one frees
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// compacted leaves nothing of the past in etcd, and returns the size of its file.
func compacted(b *testing.B, etcd *clientv3.Client, endpoint string) (whole, inUse int64) {
	now := must(etcd.Get(b.Context(), "/"))(b)
	must(etcd.Compact(b.Context(), now.Header.Revision, clientv3.WithCompactPhysical()))(b)
	must(etcd.Defragment(b.Context(), endpoint))(b)
	status := must(etcd.Status(b.Context(), endpoint))(b)
	return status.DbSize, status.DbSizeInUse
}

func size(rows map[string]string) (n int) {
	for key, value := range rows {
		n += len(key) + len(value)
	}
	return n
}

// family returns a catalogue of databases with the same twelve tables, whose schemas have 2 to 8 KB.
func family(databases int) map[string]string {
	rows := map[string]string{
		"/css_meta/version": cssetcd.Version, "/PARTITIONING/_0000000001": "",
		"/PARTITIONING/_0000000001/.packed.json": `{"nStripes":"340","nSubStripes":"3","overlap":"0.016670"} `,
	}
	for d := range databases {
		name := fmt.Sprintf("survey_release_%03d", d)
		db := "/DBS/" + name
		rows[db] = "READY"
		rows[db+"/.packed.json"] = `{"partitioningId":"0000000001","releaseStatus":"RELEASED","storageClass":"L2"} `
		for t := range 12 {
			table := fmt.Sprintf("%s/TABLES/Measurement_%02d", db, t)
			rows[table] = "READY"
			rows[table+"/schema"] = wideSchema(t)
			rows[table+"/partitioning"] = ""
			rows[table+"/partitioning/.packed.json"] = `{"dirColName":"objectId","dirDb":"` + name +
				`","dirTable":"Measurement_00",` +
				`"latColName":"coord_dec","lonColName":"coord_ra","overlap":"0.016670","subChunks":"1"} `
			rows[table+"/sharedScan"] = ""
			rows[table+"/sharedScan/.packed.json"] = `{"lockInMem":"1","scanRating":"2"} `
		}
	}
	return rows
}

// wideSchema has 50 columns for the first table and some 200 for the last.
func wideSchema(table int) string {
	var s strings.Builder
	s.WriteString("(objectId BIGINT NOT NULL")
	for i := range 50 + 14*table {
		fmt.Fprintf(&s, ", %c_measurement_%02d_%03d DOUBLE NULL", "ugrizy"[i%6], table, i)
	}
	s.WriteString(", PRIMARY KEY (objectId)) ENGINE=MyISAM")
	return s.String()
}

func asItIs(rows map[string]string) map[string]string { return rows }

// referenced replaces each schema by the name of its text, which is stored once.
func referenced(rows map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range rows {
		if strings.HasSuffix(key, "/schema") {
			sum := sha256.Sum256([]byte(value))
			name := hex.EncodeToString(sum[:20])
			out["/VALUES/"+name] = value
			value = name
		}
		out[key] = value
	}
	return out
}
