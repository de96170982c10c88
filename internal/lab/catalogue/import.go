package catalogue

import (
	"context"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/peers"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Import is about a large kvData that becomes a catalogue. It is measured once: filling it takes long.
var Import = rig.Benchmark{
	Name:    "import-1M",
	Summary: "importing a kvData of a million rows, against SELECT of all and plain transactions of etcd",
	MariaDB: true,
	Run:     measureImport,
}

func measureImport(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	dump := survey.Large(r.Sizes.ImportRows)
	target, err := r.MySQL(ctx, rig.OursDB)
	if err != nil {
		return nil, err
	}
	db, err := r.SQL(ctx, rig.OursDB)
	if err != nil {
		return nil, err
	}
	made, err := kvdata.Open(ctx, target, kvdata.DefaultTimeout) // it makes the tables
	if err != nil {
		return nil, err
	}
	made.Close()
	r.Progress(fmt.Sprintf("import-1M: filling kvData with %d rows", dump.Len()+1))
	if err := peers.InsertAll(ctx, db, peers.Rows(dump), peers.InsertBatch); err != nil {
		return nil, err
	}
	etcd, err := r.Etcd(ctx)
	if err != nil {
		return nil, err
	}
	css, err := cssetcd.New(ctx, etcd)
	if err != nil {
		return nil, err
	}
	ours, theirs := measure.Meter{Profile: r.ProfileOf("import-1M", 1)}, measure.Meter{}
	var done mirror.Imported
	err = ours.Measure(func() (err error) {
		began := time.Now()
		done, err = mirror.Import{Client: css, Target: target, Owner: "bench"}.Run(ctx)
		ours.Add("import", time.Since(began))
		return err
	})
	if err != nil {
		return nil, err
	}
	puts := max(1, dump.Len()/max(1, done.Transactions))
	err = theirs.Measure(func() error {
		began := time.Now()
		if err := readAll(ctx, db); err != nil {
			return err
		}
		theirs.Add("select", time.Since(began))
		err := putAll(ctx, etcd, "/bench/peer", below(dump), puts)
		theirs.Add("import", time.Since(began))
		return err
	})
	if err != nil {
		return nil, err
	}
	turns := measure.Turns{Ours: map[string][][]float64{"import": {ours.Series["import"]}},
		Peer: map[string][][]float64{"import": {theirs.Series["import"]}}}
	result, err := turns.Figure("import-1M", "ms", fmt.Sprintf("importing a kvData of %d rows: capturing, reading, "+
		"checking, restoring and comparing; "+
		"peer: SELECT of all rows, then the same keys and values by plain transactions of etcd of "+
		"as many puts, one after the other; once each", done.Rows), measure.Within(1.5), "import")
	result.Note("rows imported", "rows/s", float64(done.Rows)/ours.Series["import"][0]*1000)
	result.Note("SELECT of all", "ms", theirs.Series["select"][0])
	result.Note("puts a transaction", "", float64(puts))
	return []measure.Result{result}, err
}
