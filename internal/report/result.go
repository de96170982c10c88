package report

import (
	"fmt"
	"io"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

// Result is the form of what a mirror did, or would do.
type Result struct {
	DryRun      bool  `json:"dry_run"`
	Revision    int64 `json:"revision"`
	Inserted    int   `json:"inserted"`
	Updated     int   `json:"updated"`
	Deleted     int   `json:"deleted"`
	Rows        int   `json:"rows"`
	Quarantined int   `json:"quarantined"`
	// of which MySQL and etcd did not say the same
	EmptyChunks []EmptyDifference `json:"empty_chunks"`
}

// NewResult returns the form of a result.
func NewResult(r mirror.Result, dryRun bool) Result {
	return Result{dryRun, int64(r.Revision), r.Inserted, r.Updated, r.Deleted, r.Rows, r.Quarantined,
		emptyDifferences(r.EmptyChunks)}
}

// Write writes it for people to read.
func (r Result) Write(w io.Writer) {
	shows := "shows"
	if r.DryRun {
		shows = "would show"
	}
	fmt.Fprintf(w, "kvData %s revision %d: %s", shows, r.Revision, cli.Count(r.Rows, "row"))
	switch {
	case r.Inserted+r.Updated+r.Deleted == 0 && r.DryRun:
		fmt.Fprintln(w, ", nothing has to be changed")
	case r.Inserted+r.Updated+r.Deleted == 0:
		fmt.Fprintln(w, ", nothing had to be changed")
	default:
		fmt.Fprintf(w, "; %d inserted, %d updated, %d deleted\n", r.Inserted, r.Updated, r.Deleted)
	}
	if r.Quarantined > 0 {
		fmt.Fprintf(w, "%s cannot be shown there; `css-sync check` says which\n", cli.Count(r.Quarantined, "key"))
	}
	if len(r.EmptyChunks) > 0 {
		fmt.Fprintln(w)
		writeEmpty(w, r.EmptyChunks)
	}
}
