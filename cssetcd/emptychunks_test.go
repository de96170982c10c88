package cssetcd_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

var someEmpty = chunkset.MustParse("0-311,313,400-402")

// TestNothingLiesBetweenKeysAndEmptyChunks: what a view follows has nothing else in it.
func TestNothingLiesBetweenKeysAndEmptyChunks(t *testing.T) {
	t.Parallel()
	for _, top := range csskey.Tops {
		inside := csskey.Catalogue.Contains(kv.Path(top) + "/x")
		assert.Equal(t, top == "css" || top == "css_empty", inside, top)
	}
}

// TestEmptyChunksOfAnEarlierDatabase: a database that went past this library leaves its set; the next one of that name
// does not take it for its own.
func TestEmptyChunksOfAnEarlierDatabase(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	ctx := t.Context()
	ok(t)(c.SetEmptyChunks(ctx, "lsst", someEmpty))
	deleteByHand(t, c, append(kv.Tree("css/DBS/lsst"), kv.Tree("fold/dbs/lsst")...)...)
	s := must(c.Snapshot(ctx, 0))(t)
	require.ErrorIs(t, errOf(s.EmptyChunks("lsst")), cssetcd.ErrNoSuchDB)
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "lsst"}))
	s = must(c.Snapshot(ctx, 0))(t)
	require.ErrorIs(t, errOf(s.EmptyChunks("lsst")), cssetcd.ErrEmptyChunksUnknown)
	require.ErrorIs(t, errOf(c.EmptyChunks(ctx, "lsst")), cssetcd.ErrEmptyChunksUnknown)
	require.ErrorIs(t, errOf(c.AddEmptyChunks(ctx, "lsst", someEmpty)), cssetcd.ErrEmptyChunksUnknown)
	require.NoError(t, s.CheckDump())
	var text bytes.Buffer
	require.NoError(t, s.WriteDump(&text, ""))
	assert.NotContains(t, text.String(), "css_empty")
	rev := ok(t)(c.SetEmptyChunks(ctx, "lsst", someEmpty))
	assert.NotZero(t, rev, "the same value, and yet something new is said")
	assert.True(t, must(c.EmptyChunks(ctx, "lsst"))(t).Equal(someEmpty))
}

// TestEmptyChunksThatCannotBeRead spoil nothing else, and are set right by setting them.
func TestEmptyChunksThatCannotBeRead(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	ctx := t.Context()
	byHand(t, c, csskey.EmptyOf("lsst"), "1, 2")
	s := must(c.Snapshot(ctx, 0))(t)
	for _, err := range []error{errOf(s.EmptyChunks("lsst")), errOf(s.IsEmpty("lsst", 1)),
		errOf(c.EmptyChunks(ctx, "lsst")), errOf(c.AddEmptyChunks(ctx, "lsst", someEmpty)), s.CheckDump()} {
		require.ErrorIs(t, err, cssetcd.ErrBadValue)
		assert.ErrorContains(t, err, `bad value: css_empty/lsst: not a set of chunk ids: " 2" is neither`)
	}
	must(s.Table(object))(t)
	assert.NotZero(t, ok(t)(c.SetEmptyChunks(ctx, "lsst", chunkset.Set{})))
	assert.True(t, must(c.EmptyChunks(ctx, "lsst"))(t).IsEmpty())
}

// TestParityGetEmptyChunks: the ids that were said, from etcd and from a snapshot; an error where nobody said any.
func TestParityGetEmptyChunks(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	ctx := t.Context()
	require.ErrorIs(t, errOf(c.EmptyChunks(ctx, "lsst")), cssetcd.ErrEmptyChunksUnknown)
	require.ErrorIs(t, errOf(c.EmptyChunks(ctx, "other")), cssetcd.ErrNoSuchDB)
	ok(t)(c.SetEmptyChunks(ctx, "lsst", chunkset.MustParse("3,5-7")))
	s := must(c.Snapshot(ctx, 0))(t)
	for _, set := range []cssetcd.ChunkSet{must(c.EmptyChunks(ctx, "lsst"))(t), must(s.EmptyChunks("lsst"))(t)} {
		assert.Equal(t, []int{3, 5, 6, 7}, slices.Collect(set.All()))
	}
}

// TestEmptyChunksOfARevision: of two writers who saw the same, one succeeds.
func TestEmptyChunksOfARevision(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	ctx := t.Context()
	modified := func() cssetcd.WriteOption {
		return cssetcd.IfRevision(must(c.Snapshot(ctx, 0))(t).EmptyChunksModified("lsst"))
	}
	at := modified()
	ok(t)(c.SetEmptyChunks(ctx, "lsst", someEmpty, at))
	require.ErrorIs(t, errOf(c.SetEmptyChunks(ctx, "lsst", chunkset.Set{}, at)), cssetcd.ErrRevisionMismatch)
	require.ErrorIs(t, errOf(c.ForgetEmptyChunks(ctx, "lsst", at)), cssetcd.ErrRevisionMismatch)
	ok(t)(c.ForgetEmptyChunks(ctx, "lsst", modified()))
	require.ErrorIs(t, errOf(c.SetEmptyChunks(ctx, "lsst", someEmpty, cssetcd.IfNotExists())), cssetcd.ErrInvalid)
	ok(t)(c.SetEmptyChunks(ctx, "lsst", someEmpty, modified()))
}

// TestViewShowsTablesAndEmptyChunksOfOneMoment: what one transaction writes of both is in one snapshot, and a
// subscriber is told whose empty chunks changed.
func TestViewShowsTablesAndEmptyChunksOfOneMoment(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	ctx := t.Context()
	v := must(cssetcd.OpenView(ctx, c))(t)
	defer v.Close()
	sub := v.Subscribe()
	keys := v.Snapshot().Len()
	var b cssetcd.Batch
	b.SetEmptyChunks("lsst", someEmpty)
	b.SetTableStatus(object, cssetcd.StatusIgnore)
	rev := ok(t)(c.Commit(ctx, &b))
	u := must(sub.Next(ctx))(t)
	assert.Equal(t, rev, u.To.Revision())
	require.Len(t, u.EmptyChunks, 1)
	assert.Equal(t, "css_empty/lsst", u.EmptyChunks[0].Key)
	assert.False(t, u.EmptyChunks[0].Old.Exists())
	assert.Equal(t, someEmpty.String(), u.EmptyChunks[0].New.Value)
	require.Len(t, u.Keys, 1)
	assert.Equal(t, "/DBS/lsst/TABLES/Object", u.Keys[0].Key)
	assert.Equal(t, keys, u.To.Len(), "a set is no CSS key")
	assert.ErrorIs(t, errOf(u.From.EmptyChunks("lsst")), cssetcd.ErrEmptyChunksUnknown)
	assert.True(t, must(u.To.EmptyChunks("lsst"))(t).Equal(someEmpty))
	assert.True(t, must(u.To.IsEmpty("lsst", 311))(t))
	assert.False(t, must(u.To.IsEmpty("lsst", 312))(t))
	before := must(u.To.EmptyChunks("lsst"))(t)
	ok(t)(c.SetTableStatus(ctx, object, cssetcd.StatusReady))
	u = must(sub.Next(ctx))(t)
	assert.Equal(t, before, must(u.To.EmptyChunks("lsst"))(t), "what has not changed is decoded once")
	assert.Empty(t, u.EmptyChunks)
	ok(t)(c.DropDatabase(ctx, "lsst"))
	u = must(sub.Next(ctx))(t)
	require.Len(t, u.EmptyChunks, 1)
	assert.False(t, u.EmptyChunks[0].New.Exists())
	for key := range u.To.Below("") {
		assert.NotContains(t, key, "lsst")
	}
}

// TestDumpsHaveEmptyChunksInMembersOfTheirOwn: the rest is as upstream writes it, byte for byte.
func TestDumpsHaveEmptyChunksInMembersOfTheirOwn(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	ctx := t.Context()
	dump := func(root string) string {
		var text bytes.Buffer
		require.NoError(t, must(c.Snapshot(ctx, 0))(t).WriteDump(&text, root))
		return text.String()
	}
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "lsst 2"}))
	without := dump("")
	ok(t)(c.SetEmptyChunks(ctx, "lsst", someEmpty))
	ok(t)(c.SetEmptyChunks(ctx, "lsst 2", chunkset.Set{}))
	with := dump("")
	assert.Equal(t, strings.TrimSuffix(without, "\n}\n")+",\n    \"css_empty\\/lsst\": \"0-311,313,400-402\",\n"+
		"    \"css_empty\\/lsst 2\": \"\"\n}\n", with)
	assert.Contains(t, dump("/DBS"), "css_empty")
	assert.Contains(t, dump("/DBS/lsst"), `css_empty\/lsst"`)
	assert.NotContains(t, dump("/DBS/lsst"), "lsst 2")
	assert.NotContains(t, dump("/DBS/lsst/TABLES"), "css_empty")
	assert.NotContains(t, dump("/NODES"), "css_empty")
	d := must(cssetcd.ParseDump(strings.NewReader(with)))(t)
	set, known := d.EmptyChunks("lsst")
	assert.True(t, known && set.Equal(someEmpty))
	set, known = d.EmptyChunks("lsst 2")
	assert.True(t, known && set.IsEmpty())
	_, known = d.EmptyChunks("other")
	assert.False(t, known)
	assert.Equal(t, must(c.Snapshot(ctx, 0))(t).Len(), d.Len())
	for _, key := range d.Keys() {
		assert.True(t, strings.HasPrefix(key, "/"), key)
	}
}

// TestFaultsOfEmptyChunksInADump are told together, each with its member.
func TestFaultsOfEmptyChunksInADump(t *testing.T) {
	t.Parallel()
	err := errOf(cssetcd.ParseDump(strings.NewReader(fmt.Sprintf(`{"/css_meta/version":"1","/DBS/a b":"READY",
		"/DBS/a/TABLES":"","css_empty/a":"1-2","css_empty/a b":"x","css_empty/b":"","css_empty/":"1","css_empty/A":"2",
		"css_empty/a b ":%q,"css_empty":"1"}`, strings.Repeat("10,", 1<<19)+"1"))))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	for _, part := range []string{
		`css_empty/a b: not a set of chunk ids: "x"`, `css_empty/b: the dump has no database "b"`,
		`css_empty/: the dump has no database ""`, `css_empty/A: the dump has no database "A"`,
		"css_empty/a b : 1572865 bytes; at most 1048576 fit", "css_empty/a b : the dump has no database",
	} {
		assert.ErrorContains(t, err, part)
	}
	assert.NotContains(t, err.Error(), "css_empty/a:")
	assert.ErrorContains(t, errOf(cssetcd.ParseDump(strings.NewReader(
		`{"/css_meta/version":"1","/DBS/a":"READY","css_empty/a":"1","css_empty/a":"2"}`))), "duplicate key css_empty/a")
}

// TestEmptyChunksOnAFile: a catalogue on a file keeps them, and what is damaged there is named.
func TestEmptyChunksOnAFile(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/css.json"
	c := must(cssetcd.OpenFile(path))(t)
	fill(t, c)
	ok(t)(c.SetEmptyChunks(t.Context(), "lsst", someEmpty))
	require.NoError(t, c.Close())
	c = must(cssetcd.OpenFile(path))(t)
	assert.True(t, must(c.EmptyChunks(t.Context(), "lsst"))(t).Equal(someEmpty))
	require.NoError(t, c.Close())
}
