package csstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
)

type emptyOp = func(context.Context, *cssetcd.Client) (cssetcd.Revision, error)

func setEmpty(db, set string) emptyOp {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.SetEmptyChunks(ctx, db, chunkset.MustParse(set))
	}
}

func addEmpty(db, set string) emptyOp {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.AddEmptyChunks(ctx, db, chunkset.MustParse(set))
	}
}

func removeEmpty(db, set string) emptyOp {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.RemoveEmptyChunks(ctx, db, chunkset.MustParse(set))
	}
}

func forgetEmpty(db string) emptyOp {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.ForgetEmptyChunks(ctx, db)
	}
}

const unknown = "unknown"

// expectEmpty compares the empty chunks of a database as text, or unknown, read alone and in a snapshot.
func expectEmpty(t *testing.T, c *cssetcd.Client, db, want string) {
	t.Helper()
	alone, aloneErr := c.EmptyChunks(t.Context(), db)
	s := latest(t, c)
	shown, shownErr := s.EmptyChunks(db)
	for _, err := range []error{aloneErr, shownErr} {
		if want == unknown {
			require.ErrorIs(t, err, cssetcd.ErrEmptyChunksUnknown)
			require.ErrorIs(t, err, cssetcd.ErrNotFound)
		} else {
			require.NoError(t, err)
		}
	}
	_, isErr := s.IsEmpty(db, 0)
	assert.Equal(t, want == unknown, isErr != nil)
	assert.Equal(t, want != unknown, slices.Contains(slices.Collect(s.EmptyChunksKnown()), db))
	if want != unknown {
		assert.Equal(t, want, alone.String())
		assert.Equal(t, want, shown.String())
	}
}

// testEmptyChunks: not known is not the same as none; adding and removing build on what is known; a database takes its
// empty chunks with it, and one that comes after it begins without.
func testEmptyChunks(t *testing.T, h Harness) {
	c := filled(t, h)
	expectEmpty(t, c, "lsst", unknown)
	run(t, c,
		step{what: "set of none", do: setEmpty("nowhere", "1"), want: cssetcd.ErrNoSuchDB},
		step{what: "add to none", do: addEmpty("nowhere", "1"), want: cssetcd.ErrNoSuchDB},
		step{what: "remove from none", do: removeEmpty("nowhere", "1"), want: cssetcd.ErrNoSuchDB},
		step{what: "forget of none", do: forgetEmpty("nowhere"), want: cssetcd.ErrNoSuchDB},
		step{what: "a name that is none", do: setEmpty("a/b", "1"), want: cssetcd.ErrInvalidName},
		step{what: "add to what is not known", do: addEmpty("lsst", "1"), want: cssetcd.ErrEmptyChunksUnknown},
		step{what: "remove from it", do: removeEmpty("lsst", "1"), want: cssetcd.ErrEmptyChunksUnknown},
		step{what: "forget it", do: forgetEmpty("lsst"), same: true},
		step{what: "none is empty", do: setEmpty("lsst", "")},
		step{what: "and again", do: setEmpty("lsst", ""), same: true},
	)
	expectEmpty(t, c, "lsst", "")
	run(t, c,
		step{what: "add", do: addEmpty("lsst", "0-311,313")},
		step{what: "add what is there", do: addEmpty("lsst", "5-7"), same: true},
		step{what: "add what is there in part", do: addEmpty("lsst", "310-312")},
		step{what: "remove", do: removeEmpty("lsst", "100")},
		step{what: "remove what is not there", do: removeEmpty("lsst", "100,500"), same: true},
	)
	expectEmpty(t, c, "lsst", "0-99,101-313")
	run(t, c, step{what: "like", do: func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.CreateDatabaseLike(ctx, "alone", "lsst", cssetcd.WithEmptyChunks())
	}})
	expectEmpty(t, c, "alone", "0-99,101-313")
	run(t, c,
		step{what: "several in one batch", do: batch(func(b *cssetcd.Batch) {
			b.CreateDatabaseLike("like", "lsst", cssetcd.WithEmptyChunks())
			b.CreateDatabaseLike("without", "lsst")
			b.AddEmptyChunks("like", chunkset.MustParse("1000"))
			b.SetEmptyChunks("without", chunkset.MustParse("7"))
			b.RemoveEmptyChunks("without", chunkset.MustParse("7"))
		})},
		step{what: "like one of which it is not known", do: batch(func(b *cssetcd.Batch) {
			b.ForgetEmptyChunks("without")
			b.CreateDatabaseLike("third", "without", cssetcd.WithEmptyChunks())
		})},
	)
	expectEmpty(t, c, "like", "0-99,101-313,1000")
	expectEmpty(t, c, "without", unknown)
	expectEmpty(t, c, "third", unknown)
	run(t, c,
		step{what: "drop", do: dropDatabase("like")},
		step{what: "and create", do: batch(func(b *cssetcd.Batch) { b.CreateDatabase(cssetcd.Database{Name: "like"}) })},
		step{what: "forget", do: forgetEmpty("lsst")},
	)
	assert.Empty(t, h.orphans(t, c))
	expectEmpty(t, c, "like", unknown)
	expectEmpty(t, c, "lsst", unknown)
}

// alternating are n chunks, no two of which follow each other.
func alternating(t *testing.T, n int) cssetcd.ChunkSet {
	t.Helper()
	ids := make([]int, n)
	for i := range ids {
		ids[i] = 2 * i
	}
	set, err := chunkset.Of(ids...)
	require.NoError(t, err)
	return set
}

// testManyEmptyChunks: the worst case of a full catalogue fits, into a dump and back; what does not fit is refused.
func testManyEmptyChunks(t *testing.T, h Harness) {
	ctx, c := t.Context(), filled(t, h)
	all := alternating(t, 150_000)
	ok(t)(c.SetEmptyChunks(ctx, "lsst", all))
	run(t, c, step{what: "too many", want: cssetcd.ErrTooLarge, do: setEmpty("lsst", farApart(100_000))})
	expectEmpty(t, c, "lsst", all.String())
	text := dumpOf(t, c)
	d, err := cssetcd.ParseDump(strings.NewReader(string(text)))
	require.NoError(t, err)
	to := h.Open(t)
	res, err := to.Restore(ctx, d)
	require.NoError(t, err)
	assert.Equal(t, d.Len()+1, res.Keys)
	assert.Equal(t, string(text), string(dumpOf(t, to)))
	assert.Empty(t, h.orphans(t, to))
	_, err = to.Restore(ctx, d)
	require.NoError(t, err, "again, which finds all of it")
	ok(t)(to.RemoveEmptyChunks(ctx, "lsst", chunkset.MustParse("0")))
	_, err = to.Restore(ctx, d)
	require.ErrorIs(t, err, cssetcd.ErrNotEmpty)
	_, err = to.Restore(ctx, d, cssetcd.Overwrite())
	require.NoError(t, err)
	expectEmpty(t, to, "lsst", all.String())
}

func farApart(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprint(2_000_000_000 + 2*i)
	}
	return strings.Join(parts, ",")
}
