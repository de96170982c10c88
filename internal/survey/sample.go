package survey

import (
	_ "embed" // for the sample
	"fmt"
	"strings"
	"sync"

	"github.com/qserv/css-etcd/cssetcd"
)

//go:embed meridian.json
var sampleText string

// SampleText returns the sample catalogue as the text of a dump file.
func SampleText() string { return sampleText }

// Sample returns the sample catalogue.
func Sample() *cssetcd.Dump { return sample() }

var sample = sync.OnceValue(func() *cssetcd.Dump { return mustParse(sampleText) })

// The databases of the sample.
const (
	Year1 = "meridian_y1"
	Year2 = "meridian_y2"
)

// mustParse reads a dump that is part of this package, so that a fault in it is a fault of the program.
func mustParse(text string) *cssetcd.Dump {
	d, err := cssetcd.ParseDump(strings.NewReader(text))
	if err != nil {
		panic(fmt.Sprintf("survey: %v", err))
	}
	return d
}

// NewTable returns a table that the sample does not have and that can be created in it: what the demo adds.
func NewTable() cssetcd.Table {
	return cssetcd.Table{
		Name:   cssetcd.TableName{DB: Year1, Table: "Transient"},
		Schema: transientSchema,
		Partitioning: &cssetcd.Partitioning{
			DirDB: Year1, DirTable: "Object", DirColumn: "objectId", LatColumn: "dec_deg", LonColumn: "ra_deg",
		},
		SharedScan: &cssetcd.SharedScan{Rating: 2},
	}
}
