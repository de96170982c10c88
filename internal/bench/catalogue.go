package bench

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
)

// shape is a catalogue as that of a large survey: databases of one family with the same tables, and in them chunks,
// which are most of the keys.
type shape struct {
	prefix    string // where in etcd it lies
	databases int
	keys      int // chunks make up for what the databases leave; 0: there are none
}

const (
	familyTables = 12 // of each database
	familyNodes  = 30
)

func databaseName(db int) string { return fmt.Sprintf("survey_release_%03d", db) }

func tableName(db, table int) cssetcd.TableName {
	return cssetcd.TableName{DB: databaseName(db), Table: fmt.Sprintf("Measurement_%02d", table)}
}

// tables returns the names of all tables.
func (s shape) tables() []cssetcd.TableName {
	var names []cssetcd.TableName
	for db := range s.databases {
		for t := range familyTables {
			names = append(names, tableName(db, t))
		}
	}
	return names
}

// rows yields the keys and values. Where there are chunks, each has two replicas, and their number is what the keys
// leave room for.
func (s shape) rows() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		written := 0
		row := func(key, value string) bool {
			written++
			return yield(key, value)
		}
		if !commonRows(row) {
			return
		}
		names := s.tables()
		for i, name := range names {
			if !tableRows(name, i%familyTables, row) {
				return
			}
		}
		for i := 0; written < s.keys; i++ {
			if !chunkRows(names[i%len(names)], i/len(names), row) {
				return
			}
		}
	}
}

func commonRows(row func(key, value string) bool) bool {
	ok := row("/css_meta", "") && row("/css_meta/version", cssetcd.Version) && row("/DBS", "") && row("/NODES", "") &&
		row("/PARTITIONING", "") && row("/PARTITIONING/_0000000001", "") &&
		row("/PARTITIONING/_0000000001/.packed.json", `{"nStripes":"340","nSubStripes":"3","overlap":"0.016670"} `)
	for n := range familyNodes {
		key := fmt.Sprintf("/NODES/worker-%d", n)
		ok = ok && row(key, string(cssetcd.NodeActive)) &&
			row(key+"/.packed.json", fmt.Sprintf(`{"host":"worker-%d.survey.example","port":"5012","type":"worker"} `, n))
	}
	return ok
}

// tableRows yields a table of a number in its database, and its database with the first one of it.
func tableRows(name cssetcd.TableName, number int, row func(key, value string) bool) bool {
	db := "/DBS/" + name.DB
	key := db + "/TABLES/" + name.Table
	if number == 0 {
		packed := `{"partitioningId":"0000000001","releaseStatus":"RELEASED","storageClass":"L2"} `
		if !row(db, string(cssetcd.StatusReady)) || !row(db+"/.packed.json", packed) || !row(db+"/TABLES", "") {
			return false
		}
	}
	partitioning := `{"dirColName":"objectId","dirDb":"` + name.DB +
		`","dirTable":"Measurement_00","latColName":"coord_dec",` +
		`"lonColName":"coord_ra","overlap":"0.016670","subChunks":"1"} `
	return row(key, string(cssetcd.StatusReady)) && row(key+"/schema", familySchema(number%familyTables)) &&
		row(key+"/partitioning", "") && row(key+"/partitioning/.packed.json", partitioning) &&
		row(key+"/sharedScan", "") && row(key+"/sharedScan/.packed.json", `{"lockInMem":"1","scanRating":"2"} `) &&
		row(key+"/CHUNKS", "")
}

// familySchema has 20 columns for the first table and more for each of the others.
func familySchema(table int) string {
	var s strings.Builder
	s.WriteString("(objectId BIGINT NOT NULL")
	for i := range 20 + 5*table {
		fmt.Fprintf(&s, ", %c_measurement_%02d_%03d DOUBLE NULL", "ugrizy"[i%6], table, i)
	}
	s.WriteString(", PRIMARY KEY (objectId)) ENGINE=MyISAM")
	return s.String()
}

func chunkRows(name cssetcd.TableName, number int, row func(key, value string) bool) bool {
	key := fmt.Sprintf("/DBS/%s/TABLES/%s/CHUNKS/%d", name.DB, name.Table, 100_000+7*number)
	ok := row(key, "") && row(key+"/REPLICAS", "")
	for i := range 2 {
		replica := fmt.Sprintf("%s/REPLICAS/%010d", key, i+1)
		ok = ok && row(replica, "") && row(replica+"/.packed.json",
			fmt.Sprintf(`{"nodeName":"worker-%d"} `, (number+i)%familyNodes))
	}
	return ok
}

// content is what a filled catalogue has.
type content struct{ keys, bytes int } // bytes of CSS keys and values

const (
	putsInTxn = 128 // etcd's limit
	fillers   = 8   // transactions on their way at the same time, which share waiting for the disk
)

// fill writes a catalogue by plain transactions: a restore checks more and takes longer.
func fill(ctx context.Context, etcd *clientv3.Client, prefix string, rows iter.Seq2[string, string]) (content, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan []clientv3.Op)
	var writers sync.WaitGroup
	for range fillers {
		writers.Go(func() {
			for batch := range batches {
				if ctx.Err() != nil {
					continue
				}
				if _, err := etcd.Txn(ctx).Then(batch...).Commit(); err != nil {
					cancel(fmt.Errorf("fill the catalogue: %w", err))
				}
			}
		})
	}
	var c content
	var batch []clientv3.Op
	for key, value := range rows {
		c.keys++
		c.bytes += len(key) + len(value)
		batch = append(batch, clientv3.OpPut(prefix+"/css"+key, value))
		if csskey.Parse(key).IsName() {
			batch = append(batch, clientv3.OpPut(prefix+"/"+string(csskey.Spelling(key)), key))
		}
		if len(batch) >= putsInTxn-1 { // a name takes two
			batches <- batch
			batch = nil
		}
	}
	if len(batch) > 0 {
		batches <- batch
	}
	close(batches)
	writers.Wait()
	return c, context.Cause(ctx)
}
