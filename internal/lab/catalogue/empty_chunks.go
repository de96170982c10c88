package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/mirror/emptychunks"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// EmptyChunks is about which chunks are empty.
var EmptyChunks = rig.Benchmark{
	Name:    "empty-chunks",
	Summary: "filling a table of empty chunks by the mirror, against INSERT ... SELECT of the same rows",
	MariaDB: true,
	Run:     measureEmptyChunks,
}

// emptyTables are our table and the peer's, and where the peer takes its rows from.
type emptyTables struct {
	set  chunkset.Set
	db   *sql.DB
	ours *kvdata.Empty
}

func measureEmptyChunks(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	ids := make([]int, r.Sizes.EmptyChunks)
	for i := range ids {
		ids[i] = 2 * i // none follows another: the worst case
	}
	t := &emptyTables{}
	var err error
	if t.set, err = chunkset.Of(ids...); err != nil {
		return nil, err
	}
	if err := t.open(ctx, r); err != nil {
		return nil, err
	}
	defer t.ours.Close()
	turns, err := r.Turns(ctx, "empty-chunks", r.Sizes.Rounds, t.write, t.insertSelect)
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("%d ids, none of which follows another, into an empty table, with lock, comparison and "+
		"record; peer: INSERT ... SELECT from a table that has them", t.set.Len())
	result, err := turns.Figure("empty-chunks", "ms", versus, measure.Within(3), "write")
	if err != nil {
		return nil, err
	}
	t.look(&result, ids)
	return []measure.Result{result}, nil
}

func (t *emptyTables) open(ctx context.Context, r *rig.Rig) error {
	css, err := r.Catalogue(ctx, survey.Large(100))
	if err != nil {
		return err
	}
	view, err := r.View(ctx, css)
	if err != nil {
		return err
	}
	m, err := r.Mirror(ctx, css, view)
	if err != nil {
		return err
	}
	if _, err := m.Once(ctx); err != nil {
		return err
	}
	target, err := r.MySQL(ctx, rig.OursDB)
	if err != nil {
		return err
	}
	if t.ours, err = kvdata.OpenEmpty(ctx, target, m.Status().Term); err != nil {
		return err
	}
	if t.db, err = r.SQL(ctx, rig.OursDB); err != nil {
		return err
	}
	for _, name := range []string{"ours_EmptyChunks", "peer_EmptyChunks", "from_EmptyChunks"} {
		for _, statement := range []string{"DROP TABLE IF EXISTS " + name,
			"CREATE TABLE " + name + " (chunkId INT NOT NULL PRIMARY KEY) ENGINE=InnoDB"} {
			if _, err := t.db.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	return t.ours.Write(ctx, kvdata.EmptyChange{DB: "from", Found: emptychunks.Said(chunkset.Set{}),
		Now: emptychunks.Said(t.set)})
}

func (t *emptyTables) write(ctx context.Context, m *measure.Meter) error {
	if _, err := t.db.ExecContext(ctx, "TRUNCATE TABLE ours_EmptyChunks"); err != nil {
		return err
	}
	return m.Time("write", func() error {
		return t.ours.Write(ctx, kvdata.EmptyChange{DB: "ours", Found: emptychunks.Said(chunkset.Set{}),
			Now: emptychunks.Said(t.set)})
	})
}

func (t *emptyTables) insertSelect(ctx context.Context, m *measure.Meter) error {
	if _, err := t.db.ExecContext(ctx, "TRUNCATE TABLE peer_EmptyChunks"); err != nil {
		return err
	}
	return m.Time("write", func() error {
		_, err := t.db.ExecContext(ctx, "INSERT INTO peer_EmptyChunks SELECT chunkId FROM from_EmptyChunks")
		return err
	})
}

// look adds what a set costs in memory, against a sorted slice of 32-bit ids.
func (t *emptyTables) look(result *measure.Result, ids []int) {
	text := t.set.String()
	began := time.Now()
	back, err := chunkset.Parse(text)
	took := time.Since(began)
	if err != nil || !back.Equal(t.set) {
		panic("a set is not what its text says")
	}
	sorted := make([]int32, len(ids))
	for i, id := range ids {
		sorted[i] = int32(id)
	}
	asked, found := rand.New(rand.NewPCG(1, 2)).Perm(2*len(ids)), 0
	each := func(in func(int) bool) float64 {
		began := time.Now()
		for _, id := range asked {
			if in(id) {
				found++
			}
		}
		return float64(time.Since(began).Nanoseconds()) / float64(len(asked))
	}
	ours := each(t.set.Contains)
	peer := each(func(id int) bool { _, ok := slices.BinarySearch(sorted, int32(id)); return ok })
	result.Add("time of a look-up, as a part of that in a sorted slice", "", ours/peer, measure.Within(1))
	result.Add("memory of the set, as a part of that of a sorted slice", "",
		float64(t.set.Size())/float64(4*len(sorted)), measure.Within(1))
	result.Note("time to read it from its text", "ms", took.Seconds()*1000)
	result.Note("bytes of the text", "B", float64(len(text)))
	if found != 2*len(ids) {
		panic(fmt.Sprintf("%d look-ups found something", found))
	}
}
