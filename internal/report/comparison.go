// Package report has the forms in which css-sync prints what the package mirror found or did: JSON forms, which are a
// contract, and texts.
package report

import (
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

// Comparison is the form of what `css-sync check` found.
type Comparison struct {
	Revision    int64         `json:"revision"`
	Rows        int           `json:"rows"`
	InAgreement bool          `json:"in_agreement"`
	Differences []Difference  `json:"differences"`
	Quarantined []Quarantined `json:"quarantined"`
	EmptySets   int           `json:"empty_sets"` // databases whose empty chunks were compared
	// those of them on which MySQL and etcd do not agree
	EmptyChunks []EmptyDifference `json:"empty_chunks"`
}

// Difference is one way in which a row is not as it should be. Kind is missing, extra, value, parent or
// key_spelling.
type Difference struct {
	Kind  string `json:"kind"`
	Key   string `json:"key"`
	Have  string `json:"have"`
	Want  string `json:"want"`
	RowID int32  `json:"row_id"` // kvId; 0: there is no row
}

// Quarantined is a key that kvData cannot hold.
type Quarantined struct {
	Key        string `json:"key"`
	Reason     string `json:"reason"`
	Detail     string `json:"detail"`
	Modified   int64  `json:"modified_revision"`
	ValueBytes int    `json:"value_bytes"`
}

// NewComparison returns the form of a report.
func NewComparison(r mirror.Report) Comparison {
	v := Comparison{
		Revision: int64(r.Revision), Rows: r.Rows, InAgreement: r.InAgreement(),
		Differences: []Difference{}, Quarantined: []Quarantined{},
		EmptySets: r.EmptySets, EmptyChunks: emptyDifferences(r.EmptyChunks),
	}
	for _, d := range r.Differences {
		v.Differences = append(v.Differences, Difference{string(d.Kind), text(d.Key), d.Have, d.Want, d.RowID})
	}
	for _, q := range r.Quarantined {
		v.Quarantined = append(v.Quarantined, Quarantined{
			text(q.Key), string(q.Reason), q.Detail, int64(q.Mod), q.ValueBytes,
		})
	}
	return v
}

// Write writes it for people to read.
func (v Comparison) Write(w io.Writer) {
	if len(v.Differences) == 0 {
		fmt.Fprintf(w, "kvData shows etcd at revision %d: %s compared, no difference\n", v.Revision, cli.Count(v.Rows, "row"))
	} else {
		t := cli.Table{Header: []string{"DIFFERENCE", "KEY", "IN MYSQL", "IN ETCD"}}
		for _, d := range v.Differences {
			t.Rows = append(t.Rows, []string{d.Kind, d.Key, cli.Shorten(d.Have), cli.Shorten(d.Want)})
		}
		t.Write(w)
	}
	v.writeEmpty(w)
	if len(v.Quarantined) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s that kvData cannot hold:\n", cli.Count(len(v.Quarantined), "key"))
	t := cli.Table{Header: []string{"KEY", "REASON", "DETAIL"}}
	for _, q := range v.Quarantined {
		t.Rows = append(t.Rows, []string{cli.Shorten(q.Key), q.Reason, q.Detail})
	}
	t.Write(w)
}

func (v Comparison) writeEmpty(w io.Writer) {
	switch {
	case len(v.EmptyChunks) > 0:
		fmt.Fprintln(w)
		writeEmpty(w, v.EmptyChunks)
	case v.EmptySets > 0:
		fmt.Fprintf(w, "empty chunks of %s compared, no difference\n", cli.Count(v.EmptySets, "database"))
	}
}

// Repair is the form of a comparison whose differences were undone.
type Repair struct {
	Comparison
	Repaired Result `json:"repaired"`
}

// Write writes it for people to read.
func (v Repair) Write(w io.Writer) {
	v.Comparison.Write(w)
	fmt.Fprintln(w)
	v.Repaired.Write(w)
}

// text is a key as a text, in which bytes that are none are escaped, so that no two keys look the same.
func text(key string) string {
	if utf8.ValidString(key) {
		return key
	}
	quoted := strconv.Quote(key)
	return quoted[1 : len(quoted)-1]
}
