package survey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

// The shape of a large catalogue: as many tables of a thousand chunks with two replicas as there is room for.
const (
	tablesPerDatabase = 16
	chunksPerTable    = 1000
	keysPerChunk      = 6 // the chunk, its REPLICAS, and two keys for each of two replicas
	keysPerTableHead  = 7 // the table, its schema, twice two for partitioning and shared scan, its CHUNKS
)

// workers are the nodes of both catalogues.
var workers = []string{"worker-1", "worker-2", "worker-3"}

// LargeTableKeys is the number of keys of a full table of a large catalogue, its own key included.
const LargeTableKeys = keysPerTableHead + chunksPerTable*keysPerChunk

// SmallestLarge is the least number of keys that a large catalogue can have.
const SmallestLarge = 40

// LargeTable returns the name of the n-th table of a large catalogue, from 0.
func LargeTable(n int) cssetcd.TableName {
	return cssetcd.TableName{DB: fmt.Sprintf("large_%03d", n/tablesPerDatabase),
		Table: fmt.Sprintf("Object_%02d", n%tablesPerDatabase)}
}

// Large returns a catalogue of exactly n CSS keys, ancestors and /css_meta included. The same n gives the same
// catalogue, and a larger one contains the tables of a smaller one but for its last. N is at least SmallestLarge.
func Large(n int) *cssetcd.Dump {
	if n < SmallestLarge {
		panic(fmt.Sprintf("survey: a large catalogue has at least %d keys, not %d", SmallestLarge, n))
	}
	var text bytes.Buffer
	text.Grow(n * 100)
	sep := byte('{')
	for key, value := range largeRows(n) {
		text.WriteByte(sep)
		text.WriteString(quote(key))
		text.WriteByte(':')
		text.WriteString(quote(value))
		sep = ','
	}
	text.WriteByte('}')
	return mustParse(text.String())
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can always be written as JSON
	}
	return string(text)
}

// largeRows yields the keys and values of a large catalogue, parents first.
func largeRows(n int) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		w := largeWriter{left: n, yield: yield}
		w.common()
		for t := 0; w.left > 0; t++ {
			w.table(t)
		}
	}
}

// largeWriter hands out rows until its number is used up.
type largeWriter struct {
	left  int
	yield func(string, string) bool
}

func (w *largeWriter) row(key, value string) {
	if w.left == 0 {
		return
	}
	w.left--
	if !w.yield(key, value) {
		w.left = 0
	}
}

func (w *largeWriter) common() {
	w.row("/css_meta", "")
	w.row("/css_meta/version", cssetcd.Version)
	w.row("/DBS", "")
	w.row("/NODES", "")
	for _, name := range workers {
		w.row("/NODES/"+name, string(cssetcd.NodeActive))
		w.row("/NODES/"+name+"/.packed.json", `{"host":"`+name+`.large.example","port":"5012","type":"worker"} `)
	}
	w.row("/PARTITIONING", "")
	w.row("/PARTITIONING/_0000000001", "")
	w.row("/PARTITIONING/_0000000001/.packed.json", `{"nStripes":"85","nSubStripes":"12","overlap":"0.016670"} `)
}

// table writes a table, and its database before the first one of it. What would be left for the next table and is too
// little for one goes into this one as chunks without replicas.
func (w *largeWriter) table(n int) {
	name := LargeTable(n)
	db := "/DBS/" + name.DB
	if n%tablesPerDatabase == 0 {
		w.row(db, string(cssetcd.StatusReady))
		w.row(db+"/.packed.json", `{"partitioningId":"0000000001","releaseStatus":"RELEASED","storageClass":"L2"} `)
		w.row(db+"/TABLES", "")
	}
	key := db + "/TABLES/" + name.Table
	w.head(key, name)
	chunk := 0
	for ; chunk < chunksPerTable && w.left >= keysPerChunk; chunk++ {
		w.chunk(key, chunk)
	}
	const leastTable = 3 + keysPerTableHead + keysPerChunk // with a database of its own
	for ; w.left < leastTable && w.left > 0; chunk++ {
		w.row(fmt.Sprintf("%s/CHUNKS/%d", key, chunk), "")
	}
}

func (w *largeWriter) head(key string, name cssetcd.TableName) {
	w.row(key, string(cssetcd.StatusReady))
	w.row(key+"/schema", objectSchema)
	w.row(key+"/partitioning", "")
	w.row(key+"/partitioning/.packed.json", strings.NewReplacer("DB", name.DB, "TABLE", name.Table).Replace(
		`{"dirColName":"objectId","dirDb":"DB","dirTable":"TABLE","latColName":"dec_deg","lonColName":"ra_deg","overlap":"0.016670","subChunks":"1"} `))
	w.row(key+"/sharedScan", "")
	w.row(key+"/sharedScan/.packed.json", `{"lockInMem":"1","scanRating":"1"} `)
	w.row(key+"/CHUNKS", "")
}

func (w *largeWriter) chunk(table string, id int) {
	key := fmt.Sprintf("%s/CHUNKS/%d/REPLICAS", table, id)
	w.row(strings.TrimSuffix(key, "/REPLICAS"), "")
	w.row(key, "")
	for i := range 2 {
		replica := fmt.Sprintf("%s/%010d", key, i+1)
		w.row(replica, "")
		w.row(replica+"/.packed.json", `{"nodeName":"`+workers[(id+i)%len(workers)]+`"} `)
	}
}
