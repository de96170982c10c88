package csstest

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

func batch(fill func(*cssetcd.Batch)) func(context.Context, *cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		var b cssetcd.Batch
		fill(&b)
		return c.Commit(ctx, &b)
	}
}

// testBatches: all of a batch happens at one revision, or none of it.
func testBatches(t *testing.T, h Harness) {
	c := h.Open(t)
	other := cssetcd.TableName{DB: "lsst", Table: "Other"}
	run(t, c,
		step{what: "nothing before a catalogue", do: batch(func(*cssetcd.Batch) {}), want: cssetcd.ErrVersionMissing},
		step{what: "everything", do: batch(func(b *cssetcd.Batch) {
			b.CreateDatabase(lsst)
			b.CreateTable(director())
			b.AddNode(cssetcd.Node{Name: "worker-1"})
			b.AddChunk(object, 1, "worker-1")
		})},
		step{what: "nothing", do: batch(func(*cssetcd.Batch) {}), same: true},
		step{what: "nothing to do", do: batch(func(b *cssetcd.Batch) { b.DropTable(other, cssetcd.IfExists()) }), same: true},
		step{what: "the last fails", do: batch(func(b *cssetcd.Batch) {
			b.SetTableStatus(object, cssetcd.StatusIgnore)
			b.CreateTable(cssetcd.Table{Name: other})
			b.DropTable(missing)
		}), want: cssetcd.ErrNoSuchTable},
		step{what: "two that fold to one name", do: batch(func(b *cssetcd.Batch) {
			b.CreateTable(cssetcd.Table{Name: other})
			b.CreateTable(cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: "OTHER"}})
		}), want: cssetcd.ErrTableExists},
		step{what: "an argument is wrong", do: batch(func(b *cssetcd.Batch) {
			b.SetTableStatus(object, cssetcd.StatusIgnore)
			b.AddChunk(object, -1, "worker-1")
		}), want: cssetcd.ErrInvalid},
		step{what: "each sees the ones before", do: batch(func(b *cssetcd.Batch) {
			b.DeleteChunk(object, 1)
			b.DeleteNode("worker-1")
			b.SetTableStatus(object, cssetcd.StatusIgnore)
			b.SetTableStatus(object, cssetcd.StatusReady, cssetcd.IfStatus(cssetcd.StatusIgnore))
		})},
	)
	expectTable(t, c, func() cssetcd.Table { d := director(); d.Status = cssetcd.StatusReady; return d }())
}

func testConditions(t *testing.T, h Harness) {
	ctx, c := t.Context(), filled(t, h)
	table, err := c.Table(ctx, object)
	require.NoError(t, err)
	ready, ignore := cssetcd.IfStatus(cssetcd.StatusReady), cssetcd.IfStatus(cssetcd.StatusIgnore)
	then, other := cssetcd.IfRevision(table.Modified), cssetcd.IfRevision(table.Modified-1)
	run(t, c,
		step{what: "status differs", do: setStatus(object, "x", ignore), want: cssetcd.ErrStatusMismatch},
		step{what: "revision differs", do: setStatus(object, "x", other), want: cssetcd.ErrRevisionMismatch},
		step{what: "one of two differs", do: setStatus(object, "x", ready, other), want: cssetcd.ErrRevisionMismatch},
		step{what: "drop, status differs", do: drop(object, ignore), want: cssetcd.ErrStatusMismatch},
		step{what: "schema, revision differs", do: setTableSchema(object, "(i INT)", other),
			want: cssetcd.ErrRevisionMismatch},
		step{what: "shared scan, status differs", do: setScan(object, cssetcd.SharedScan{}, ignore),
			want: cssetcd.ErrStatusMismatch},
		step{what: "database, status differs", do: setDatabaseStatus("lsst", "x", ignore), want: cssetcd.ErrStatusMismatch},
		step{what: "database, drop, status differs", do: dropDatabase("lsst", ignore), want: cssetcd.ErrStatusMismatch},
		step{what: "node, state differs", do: setState("worker-1", "x", ignore), want: cssetcd.ErrStatusMismatch},
		step{what: "node, delete, revision differs", do: removeNode("worker-1", cssetcd.IfRevision(1)),
			want: cssetcd.ErrRevisionMismatch},
		step{what: "what is missing is missing first", do: setStatus(missing, "x", ignore), want: cssetcd.ErrNoSuchTable},
		step{what: "both hold", do: setStatus(object, cssetcd.StatusIgnore, ready, then)},
		step{what: "and no longer", do: setStatus(object, cssetcd.StatusIgnore, then), want: cssetcd.ErrRevisionMismatch},
		step{what: "an option that means nothing", do: setStatus(object, "x", cssetcd.IfExists()), want: cssetcd.ErrInvalid},
		step{what: "an option that means nothing, creating", do: createNewTable(cssetcd.Table{Name: missing}, ready),
			want: cssetcd.ErrInvalid},
		step{what: "drop if", do: drop(object, ignore)},
	)
}

func testInvalid(t *testing.T, h Harness) {
	for child, parent := range map[error]error{
		cssetcd.ErrNoSuchDB: cssetcd.ErrNotFound, cssetcd.ErrNoSuchTable: cssetcd.ErrNotFound,
		cssetcd.ErrNoSuchNode: cssetcd.ErrNotFound,
		cssetcd.ErrDBExists:   cssetcd.ErrExists, cssetcd.ErrTableExists: cssetcd.ErrExists,
		cssetcd.ErrNodeExists:     cssetcd.ErrExists,
		cssetcd.ErrStatusMismatch: cssetcd.ErrPrecondition, cssetcd.ErrRevisionMismatch: cssetcd.ErrPrecondition,
		cssetcd.ErrNodeInUse: cssetcd.ErrPrecondition, cssetcd.ErrInvalidName: cssetcd.ErrInvalid,
		cssetcd.ErrBadValue: cssetcd.ErrInvalid,
	} {
		require.ErrorIs(t, child, parent)
	}
	c := filled(t, h)
	table := func(change func(*cssetcd.Table)) cssetcd.Table {
		d := director()
		d.Name = missing
		change(&d)
		return d
	}
	run(t, c,
		step{what: "an empty name", do: createDatabase(cssetcd.Database{}), want: cssetcd.ErrInvalidName},
		step{what: "a slash", do: createDatabase(cssetcd.Database{Name: "a/b"}), want: cssetcd.ErrInvalidName},
		step{what: "a dot", do: createDatabase(cssetcd.Database{Name: "a.b"}), want: cssetcd.ErrInvalidName},
		step{what: "a long name", do: createDatabase(cssetcd.Database{Name: strings.Repeat("n", 65)}),
			want: cssetcd.ErrInvalidName},
		step{what: "a letter that is not ASCII", do: addNewNode(cssetcd.Node{Name: "wörker"}), want: cssetcd.ErrInvalidName},
		step{what: "no stripes", do: createDatabase(cssetcd.Database{Name: "d", Striping: &cssetcd.Striping{SubStripes: 1}}),
			want: cssetcd.ErrInvalid},
		step{what: "no director", do: createNewTable(table(func(d *cssetcd.Table) { d.Partitioning.DirTable = "" })),
			want: cssetcd.ErrInvalid},
		step{what: "no number", do: createNewTable(table(func(d *cssetcd.Table) { d.Partitioning.Overlap = math.NaN() })),
			want: cssetcd.ErrInvalid},
		step{what: "a column twice", do: createNewTable(table(func(d *cssetcd.Table) { d.Schema = "(a INT, A INT)" })),
			want: cssetcd.ErrDuplicateColumn},
		step{what: "scans without chunks", do: createNewTable(table(func(d *cssetcd.Table) { d.Partitioning = nil })),
			want: cssetcd.ErrInvalid},
		step{what: "a value that is too long", do: setStatus(object, cssetcd.Status(strings.Repeat("x", 65_536))),
			want: cssetcd.ErrBadValue},
		step{what: "a character of four bytes", do: setStatus(object, "\U0001F30C"), want: cssetcd.ErrBadValue},
		step{what: "a port", do: addNewNode(cssetcd.Node{Name: "n", Port: 65536}), want: cssetcd.ErrInvalid},
		step{what: "a port below 0", do: addNewNode(cssetcd.Node{Name: "n", Port: -1}), want: cssetcd.ErrInvalid},
		step{what: "a chunk below 0", do: addReplicas(object, -1, "worker-1"), want: cssetcd.ErrInvalid},
		step{what: "a name that cannot be, to drop", do: dropDatabase("a/b"), want: cssetcd.ErrInvalidName},
		step{what: "a name that cannot have come about here, to drop", do: dropDatabase("a.b"), want: cssetcd.ErrNoSuchDB},
	)
}

// testRevisions: revisions rise with each write, whoever makes it, and the catalogue can be read as it was at each.
func testRevisions(t *testing.T, h Harness) {
	ctx, first := t.Context(), h.Open(t)
	clients := []*cssetcd.Client{first, h.again(t, first)}
	last := ok(t)(first.CreateDatabase(ctx, lsst))
	at := map[cssetcd.Revision]map[string]cssetcd.Entry{last: contents(t, first)}
	for i, write := range []func(context.Context, *cssetcd.Client) (cssetcd.Revision, error){
		createNewTable(director()), setStatus(object, "a"), setStatus(object, "a"),
		addNewNode(cssetcd.Node{Name: "worker-1"}),
		addReplicas(object, 1, "worker-1"), removeChunk(object, 1), drop(object), createNewTable(director()),
		dropDatabase("lsst"),
	} {
		rev := ok(t)(write(ctx, clients[i%2]))
		require.Greater(t, rev, last, "%d", i)
		last = rev
		at[rev] = contents(t, clients[(i+1)%2])
	}
	for rev, want := range at {
		s, err := first.Snapshot(ctx, rev)
		require.NoError(t, err)
		assert.Equal(t, rev, s.Revision())
		got := map[string]cssetcd.Entry{}
		for key, e := range s.Below("") {
			got[key] = e
		}
		assert.Equal(t, want, got)
	}
	_, err := first.Snapshot(ctx, latest(t, first).Revision()+1_000_000)
	require.ErrorIs(t, err, cssetcd.ErrFutureRevision)
}

// testDumpAndRestore: what is restored from a dump is what was dumped, and only an empty catalogue takes it.
func testDumpAndRestore(t *testing.T, h Harness) {
	ctx, from, to := t.Context(), filled(t, h), h.Open(t)
	ok(t)(from.AddChunk(ctx, object, 3, "worker-1", "worker-2"))
	ok(t)(from.Raw().Put(ctx, "/other/key", "a \"text\" / with é\n"))
	text := dumpOf(t, from)
	d, err := cssetcd.ParseDump(strings.NewReader(string(text)))
	require.NoError(t, err)
	res, err := to.Restore(ctx, d)
	require.NoError(t, err)
	assert.Equal(t, d.Len(), res.Keys)
	assert.Equal(t, string(text), string(dumpOf(t, to)))
	assert.Empty(t, h.orphans(t, to))
	_, err = to.Restore(ctx, d)
	require.NoError(t, err, "again, which finds all of it")
	run(t, to,
		step{what: "names are protected", do: createNewTable(cssetcd.Table{Name: cssetcd.TableName{DB: "lsst",
			Table: "object"}}), want: cssetcd.ErrTableExists},
		step{what: "nodes are protected", do: removeNode("worker-1"), want: cssetcd.ErrNodeInUse},
		step{what: "something else", do: put("/else", "")},
	)
	_, err = to.Restore(ctx, d)
	require.ErrorIs(t, err, cssetcd.ErrNotEmpty)
	_, err = to.Restore(ctx, d, cssetcd.Overwrite())
	require.NoError(t, err)
	assert.Equal(t, string(text), string(dumpOf(t, to)))
}
