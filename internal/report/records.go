package report

import (
	"context"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Records is the form of what a mirror has on record.
type Records struct {
	Quarantine     []QuarantinedSince `json:"quarantine"` // in byte order
	Foreign        []Foreign          `json:"foreign"`    // the newest first
	ForeignTotal   int                `json:"foreign_total"`
	Conflicts      Conflicts          `json:"conflicts"` // the newest first
	ConflictsTotal int                `json:"conflicts_total"`
}

// QuarantinedSince is a key that kvData cannot hold, and since when that is known.
type QuarantinedSince struct {
	Quarantined
	Since time.Time `json:"since"`
}

// Foreign is a change that others made to kvData, which nobody captured.
type Foreign struct {
	Seen time.Time `json:"seen"`
	Difference
	Revision int64 `json:"revision"` // of etcd, that kvData showed
	Undone   bool  `json:"undone"`
}

// ReadRecords reads at most limit records of each kind. It fails as [kvdata.ReadState] does.
func ReadRecords(ctx context.Context, target *mysql.Config, limit int) (Records, error) {
	r := Records{Quarantine: []QuarantinedSince{}, Foreign: []Foreign{}, Conflicts: Conflicts{}} // and not null in JSON
	held, err := kvdata.ReadQuarantine(ctx, target, limit)
	if err != nil {
		return r, err
	}
	for _, q := range held {
		r.Quarantine = append(r.Quarantine, QuarantinedSince{Quarantined{text(q.Key), string(q.Reason), q.Detail,
			int64(q.Mod), q.ValueBytes}, q.Since.UTC()})
	}
	foreign, total, err := kvdata.ReadForeign(ctx, target, limit)
	if err != nil {
		return r, err
	}
	r.ForeignTotal = total
	for _, f := range foreign {
		r.Foreign = append(r.Foreign, Foreign{f.Seen.UTC(), Difference{string(f.Kind), text(f.Key), f.Have, f.Want,
			f.RowID}, int64(f.Revision), f.Undone})
	}
	conflicts, total, err := kvdata.ReadConflicts(ctx, target, limit)
	r.Conflicts, r.ConflictsTotal = NewConflicts(conflicts), total
	return r, err
}
