package drops_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// What came of a query.
const (
	queryOK      = "ok"
	queryRefused = "refused" // not admitted
	queryEnded   = "ended"   // it was told to end, or could not go on, and did
	queryMissing = "missing" // a table was gone
	queryWrong   = "wrong"   // rows of another table, or not all
	queryFailed  = "failed"
)

// result is one query, as a czar writes it down.
type result struct {
	At     time.Time `json:"at"` // when it had ended
	Tables []string  `json:"tables"`
	What   string    `json:"what"`
	Why    string    `json:"why,omitempty"`
	Chunks int       `json:"chunks,omitempty"` // that were asked
	// from before a check that was passed to the answer: of the chunk that failed, or the longest
	Gap time.Duration `json:"gap,omitempty"`
}

// pass is what a query has when it was admitted.
type pass interface {
	MayDispatch() error
	Done() <-chan struct{}
	Release()
}

// anyway is the pass of a czar without a gate.
type anyway struct{}

func (anyway) MayDispatch() error    { return nil }
func (anyway) Done() <-chan struct{} { return nil }
func (anyway) Release()              {}

func (z *czarProcess) admit(tables []*cssetcd.Table) (pass, error) {
	if z.gate == nil {
		return anyway{}, nil
	}
	ref, err := z.gate.Admit(tables...)
	return &ref, err
}

// query plans a query on what the view shows now, and runs it chunk by chunk. It reports false when there is no table.
func (z *czarProcess) query(ctx context.Context, rng *rand.Rand) (r result, some bool) {
	s := z.view.Snapshot()
	tables := choose(s, rng)
	if len(tables) == 0 {
		return r, false
	}
	for _, t := range tables {
		r.Tables = append(r.Tables, t.Name.String())
	}
	defer func() { r.At = time.Now() }()
	pass, err := z.admit(tables)
	if err != nil {
		r.What, r.Why = queryRefused, reason(err)
		return r, true
	}
	defer pass.Release()
	pause := time.Duration(10+rng.IntN(40)) * time.Millisecond
	if rng.IntN(4) == 0 {
		pause *= 8 // a slow query
	}
	r.What = queryOK
	for c, err := range s.Chunks(tables[0].Name) {
		if err != nil {
			r.What, r.Why = queryFailed, err.Error()
			break
		}
		z.chunk(ctx, &r, pass, c, tables, rng)
		if r.What != queryOK {
			break
		}
		select {
		case <-pass.Done():
			r.What, r.Why = queryEnded, reason(deletion.ErrAborted)
			return r, true
		case <-time.After(pause):
		}
	}
	return r, true
}

// choose returns the tables of the next query: mostly one, sometimes two, and mostly such as are dropped now and then.
func choose(s *cssetcd.Snapshot, rng *rand.Rand) (tables []*cssetcd.Table) {
	var all []*cssetcd.Table
	for db, err := range s.Databases() {
		if err != nil || !db.Status.Ready() {
			continue
		}
		for t, err := range s.Tables(db.Name) {
			if err == nil && t.Status.Ready() {
				all = append(all, t)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	first := rng.IntN(len(all))
	for try := 0; all[first].Name == still && try < 2; try++ {
		first = rng.IntN(len(all))
	}
	tables = append(tables, all[first])
	if second := rng.IntN(len(all)); rng.IntN(3) == 0 && second != first {
		tables = append(tables, all[second])
	}
	return tables
}

// chunk asks one worker for one chunk, if that may be.
func (z *czarProcess) chunk(ctx context.Context, r *result, pass pass, c cssetcd.Chunk, tables []*cssetcd.Table,
	rng *rand.Rand) {
	checked := time.Now()
	if err := pass.MayDispatch(); err != nil {
		r.What, r.Why = queryEnded, reason(err)
		return
	}
	time.Sleep(time.Duration(rng.Int64N(int64(z.role.Window)))) // what a network or a scheduler may do
	r.Chunks++
	err := ask(context.WithoutCancel(ctx), z.workers[c.Nodes[0]], c.ID, tables)
	gap := time.Since(checked)
	if err == nil {
		r.Gap = max(r.Gap, gap)
		return
	}
	r.Gap, r.What, r.Why = gap, queryFailed, err.Error()
	switch {
	case errors.Is(err, errWrongRow):
		r.What = queryWrong
	case mysqlconn.Is(err, mysqlconn.ErNoSuchTable):
		r.What = queryMissing
	}
}

var errWrongRow = errors.New("wrong rows")

// ask runs the statement of one chunk and checks that each row is of the incarnation that the query was planned with.
func ask(ctx context.Context, worker *sql.DB, chunk int, tables []*cssetcd.Table) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	rows, err := worker.QueryContext(ctx, statement(chunk, tables))
	if err != nil {
		return err
	}
	defer rows.Close()
	last := tables[len(tables)-1]
	n := 0
	for ; rows.Next(); n++ {
		var one, two int64
		if err := rows.Scan(&one, &two); err != nil {
			return err
		}
		if one != int64(tables[0].Incarnation) || two != int64(last.Incarnation) {
			return fmt.Errorf("%w: chunk %d has rows of incarnations %d and %d instead of %d and %d",
				errWrongRow, chunk, one, two, tables[0].Incarnation, last.Incarnation)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if n != 2*chunkRows {
		return fmt.Errorf("%w: chunk %d has %d of them instead of %d", errWrongRow, chunk, n, 2*chunkRows)
	}
	return nil
}

// statement asks for all rows of a chunk and of its overlap: of one table, or of two that are joined.
func statement(chunk int, tables []*cssetcd.Table) string {
	var parts []string
	for _, kind := range []string{"", "FullOverlap"} {
		from := make([]string, 2)
		for i := range from {
			t := tables[min(i, len(tables)-1)].Name
			from[i] = fmt.Sprintf("`%s`.`%s%s_%d`", t.DB, t.Table, kind, chunk)
		}
		parts = append(parts, fmt.Sprintf("SELECT a.incarnation, b.incarnation FROM %s a JOIN %s b USING (objectId)",
			from[0], from[1]))
	}
	return strings.Join(parts, " UNION ALL ")
}

// reasons are the words for the errors of a gate.
var reasons = []struct {
	err  error
	word string
}{
	{deletion.ErrGone, "gone"}, {deletion.ErrDropPending, "drop pending"}, {deletion.ErrNotReady, "not ready"},
	{deletion.ErrStale, "stale"}, {deletion.ErrAborted, "aborted"}, {deletion.ErrClosed, "closed"},
}

func reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return err.Error()
}
