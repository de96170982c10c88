package mirror_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
)

// Rule: one row that others wrote does not lift the brake, where etcd was set back to a backup without the databases
// and has grown beyond the revision that kvData shows.
func TestForeignWriteDoesNotLiftTheBrake(t *testing.T) {
	for _, touched := range []bool{false, true} {
		t.Run(fmt.Sprint("touched: ", touched), func(t *testing.T) {
			w := newWorld(t)
			w.many()
			w.put("/DBS/b", "READY")
			w.once()
			w.deleteAll("/many/")
			w.deleteAll("/DBS/")
			back := w.put("/DBS/old", "READY")
			w.put("/DBS/old", "READY")
			// kvData is of that revision, of the history that is gone
			w.exec("UPDATE css_mirror_state SET applied = ?", int64(back))
			if touched {
				w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
			}
			_, err := w.single().Once(t.Context())
			assert.ErrorIs(t, err, mirror.ErrBrake)
			assert.Contains(t, w.rows(), "/DBS/b")
		})
	}
}

// counting counts how often the whole catalogue is read from etcd.
type counting struct {
	mirror.Catalogue
	n atomic.Int32
}

func (c *counting) Snapshot(ctx context.Context, at cssetcd.Revision) (*cssetcd.Snapshot, error) {
	c.n.Add(1)
	return c.Catalogue.Snapshot(ctx, at)
}

// Rule: while the brake is on, changes in etcd do not have the catalogue of the past read again.
func TestBrakeReadsTheCatalogueOnce(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	w.once()
	w.exec("INSERT INTO kvData (kvKey, kvVal) SELECT CONCAT('/theirs/', seq), 'x' FROM seq_1_to_10100")
	c := &counting{Catalogue: w.client}
	m := w.mirror(func(cfg *mirror.Config) { cfg.Catalogue = c })
	w.run(m)
	awaitStatus(t, m, has(mirror.BrakeOn))
	before := c.n.Load()
	for i := range 30 {
		w.put("/DBS/a", fmt.Sprint(i))
		time.Sleep(60 * time.Millisecond)
	}
	assert.LessOrEqual(t, c.n.Load()-before, int32(5))
}

func into(b *testkit.Text) func(*mirror.Config) {
	return func(c *mirror.Config) { c.Logger = slog.New(slog.NewTextHandler(b, nil)) }
}

// Rule: while the brake is on and others write, the trouble goes on, and is not told again.
func TestBrakeLastsWhileOthersWrite(t *testing.T) {
	w := newWorld(t)
	w.many()
	w.once()
	w.forget()
	w.deleteAll("/many/")
	var log testkit.Text
	m := w.mirror(quickly(mirror.Alert), into(&log))
	w.run(m)
	since := awaitStatus(t, m, has(mirror.BrakeOn)).Troubles[0].Since
	for i := range 10 {
		w.exec("UPDATE kvData SET kvVal = ? WHERE kvKey = '/DBS/a'", i)
		time.Sleep(100 * time.Millisecond)
	}
	assert.Zero(t, strings.Count(log.String(), "trouble is over"))
	assert.Equal(t, since, awaitStatus(t, m, has(mirror.BrakeOn)).Troubles[0].Since)
}

// Rule: what others wrote is told once, though it takes many tries to undo it, and as undone only when it is.
func TestForeignWritesAreToldOnce(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	w.once()
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
	conn, err := w.sql.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "BEGIN; SELECT * FROM kvData WHERE kvKey = '/DBS/a' FOR UPDATE")
	require.NoError(t, err)
	var log testkit.Text
	w.run(w.mirror(into(&log), func(c *mirror.Config) { c.Timeout = time.Second }))
	time.Sleep(4 * time.Second)
	require.Equal(t, "theirs", w.rows()["/DBS/a"].value)
	assert.Zero(t, strings.Count(log.String(), "is undone"), log.String())
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	assert.NoError(t, err)
}

// Rule: of a value of others no more is logged than people read.
func TestLargeValuesAreNotLogged(t *testing.T) {
	w := newWorld(t)
	w.createWide("VARCHAR(300) CHARSET utf8mb4 COLLATE utf8mb4_bin", "MEDIUMTEXT CHARSET utf8mb4")
	w.put("/DBS/a", "1")
	w.once()
	w.exec("UPDATE kvData SET kvVal = REPEAT('x', 1000000) WHERE kvKey = '/DBS/a'")
	var log testkit.Text
	w.once(into(&log))
	assert.Less(t, len(log.String()), 10_000)
}
