package family

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
)

// Shape is a catalogue as that of a large survey: databases of one family with the same tables, and in them chunks,
// which are most of the keys.
type Shape struct {
	Prefix    string // where in etcd it lies
	Databases int
	Keys      int // chunks make up for what the databases leave; 0: there are none
}

// How many there are.
const (
	Tables = 12 // of each database
	Nodes  = 30
)

// Database returns the name of a database.
func Database(db int) string { return fmt.Sprintf("survey_release_%03d", db) }

// Table returns the name of a table.
func Table(db, table int) cssetcd.TableName {
	return cssetcd.TableName{DB: Database(db), Table: fmt.Sprintf("Measurement_%02d", table)}
}

// Tables returns the names of all tables.
func (s Shape) Tables() []cssetcd.TableName {
	var names []cssetcd.TableName
	for db := range s.Databases {
		for t := range Tables {
			names = append(names, Table(db, t))
		}
	}
	return names
}

// Rows yields the keys and values. Where there are chunks, each has two replicas, and their number is what the keys
// leave room for.
func (s Shape) Rows() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		written := 0
		row := func(key, value string) bool {
			written++
			return yield(key, value)
		}
		if !CommonRows(row) {
			return
		}
		names := s.Tables()
		for i, name := range names {
			if !TableRows(name, i%Tables, row) {
				return
			}
		}
		for i := 0; written < s.Keys; i++ {
			if !ChunkRows(names[i%len(names)], i/len(names), row) {
				return
			}
		}
	}
}

// CommonRows yields what belongs to no database.
func CommonRows(row func(key, value string) bool) bool {
	ok := row("/css_meta", "") && row("/css_meta/version", cssetcd.Version) && row("/DBS", "") && row("/NODES", "") &&
		row("/PARTITIONING", "") && row("/PARTITIONING/_0000000001", "") &&
		row("/PARTITIONING/_0000000001/.packed.json", `{"nStripes":"340","nSubStripes":"3","overlap":"0.016670"} `)
	for n := range Nodes {
		key := fmt.Sprintf("/NODES/worker-%d", n)
		ok = ok && row(key, string(cssetcd.NodeActive)) &&
			row(key+"/.packed.json", fmt.Sprintf(`{"host":"worker-%d.survey.example","port":"5012","type":"worker"} `, n))
	}
	return ok
}

// TableRows yields a table of a number in its database, and its database with the first one of it.
func TableRows(name cssetcd.TableName, number int, row func(key, value string) bool) bool {
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
	return row(key, string(cssetcd.StatusReady)) && row(key+"/schema", familySchema(number%Tables)) &&
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

// ChunkRows yields a chunk with two replicas.
func ChunkRows(name cssetcd.TableName, number int, row func(key, value string) bool) bool {
	key := fmt.Sprintf("/DBS/%s/TABLES/%s/CHUNKS/%d", name.DB, name.Table, 100_000+7*number)
	ok := row(key, "") && row(key+"/REPLICAS", "")
	for i := range 2 {
		replica := fmt.Sprintf("%s/REPLICAS/%010d", key, i+1)
		ok = ok && row(replica, "") && row(replica+"/.packed.json",
			fmt.Sprintf(`{"nodeName":"worker-%d"} `, (number+i)%Nodes))
	}
	return ok
}

// Content is what a filled catalogue has.
type Content struct{ Keys, Bytes int } // bytes of CSS keys and values

const (
	PutsInTxn = 128 // etcd's limit
	fillers   = 8   // transactions on their way at the same time, which share waiting for the disk
)

// Fill writes a catalogue by plain transactions: a restore checks more and takes longer.
func Fill(ctx context.Context, etcd *clientv3.Client, prefix string, rows iter.Seq2[string, string]) (Content, error) {
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
	var c Content
	var batch []clientv3.Op
	for key, value := range rows {
		c.Keys++
		c.Bytes += len(key) + len(value)
		batch = append(batch, clientv3.OpPut(prefix+"/css"+key, value))
		if csskey.Parse(key).IsName() {
			batch = append(batch, clientv3.OpPut(prefix+"/"+string(csskey.Spelling(key)), key))
		}
		if len(batch) >= PutsInTxn-1 { // a name takes two
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

// GetAll reads keys and ranges as a peer does, many in a transaction, and counts those in which nothing is.
func GetAll(ctx context.Context, etcd *clientv3.Client, gets []clientv3.Op) (missing int, err error) {
	for part := range slices.Chunk(gets, PutsInTxn) {
		resp, err := etcd.Txn(ctx).Then(part...).Commit()
		if err != nil {
			return 0, err
		}
		for _, one := range resp.Responses {
			if len(one.GetResponseRange().Kvs) == 0 {
				missing++
			}
		}
	}
	return missing, nil
}
