package cssetcd_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

// TestErrorTexts: they are sentences that name the operation, the object and the trouble.
func TestErrorTexts(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	ok(t)(c.AddChunk(ctx, object, 7, "worker-1"))
	for _, tt := range []struct {
		err  error
		text string
	}{
		{errOf(c.Table(ctx, absent)), "css: read table lsst.Missing: no such table"},
		{errOf(c.Table(ctx, cssetcd.TableName{DB: "no", Table: "t"})),
			"css: read table no.t: no such table: no such database no"},
		{errOf(c.Database(ctx, "no")), "css: read database no: no such database"},
		{errOf(c.CreateTable(ctx, directorTable(object))), "css: create table lsst.Object: table exists"},
		{errOf(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "no", Table: "t"}})),
			"css: create table no.t: no such database no"},
		{errOf(c.CreateTable(ctx, cssetcd.Table{Name: absent, SharedScan: &cssetcd.SharedScan{}})),
			"css: create table lsst.Missing: invalid: shared scan parameters on a table that is not partitioned: shared " +
				"scans read chunks"},
		{errOf(c.AddChunk(ctx, object, 7, "no")), "css: add chunk 7 of lsst.Object: no such node no"},
		{errOf(c.DeleteChunk(ctx, object, 8)), "css: delete chunk 8 of lsst.Object: no such chunk"},
		{errOf(c.DeleteNode(ctx, "worker-1")),
			"css: delete node worker-1: chunks have replicas on the node: /DBS/lsst/TABLES/Object/CHUNKS/7/REPLICAS/0000000001"},
		{errOf(c.SetTableStatus(ctx, object, "", cssetcd.IfStatus("X"))),
			`css: set status of table lsst.Object: the status is another one: it is "READY" and not "X"`},
		{errOf(c.DropTable(ctx, object, cssetcd.IfNotExists())),
			"css: drop table lsst.Object: invalid: option IfNotExists means nothing here"},
		{errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "a.b"})),
			`css: create database a.b: invalid name: database "a.b": a dot separates database and table`},
		{errOf(c.Raw().Get(ctx, "/x")), "css: get /x: no such key"},
	} {
		assert.EqualError(t, tt.err, tt.text)
		var e *cssetcd.Error
		require.ErrorAs(t, tt.err, &e)
		assert.NotEmpty(t, e.Op)
		assert.NotEmpty(t, e.Object)
	}
	assert.Equal(t, "css: open: x", (&cssetcd.Error{Op: "open", Err: errors.New("x")}).Error())
}

// TestErrorsHaveParents: a caller may test for the general or for the particular.
func TestErrorsHaveParents(t *testing.T) {
	for parent, children := range map[error][]error{
		cssetcd.ErrNotFound: {cssetcd.ErrNoSuchDB, cssetcd.ErrNoSuchTable, cssetcd.ErrNoSuchNode, cssetcd.ErrNoSuchChunk,
			cssetcd.ErrNoSuchKey},
		cssetcd.ErrExists: {cssetcd.ErrDBExists, cssetcd.ErrTableExists, cssetcd.ErrNodeExists, cssetcd.ErrKeyExists},
		cssetcd.ErrPrecondition: {
			cssetcd.ErrStatusMismatch, cssetcd.ErrRevisionMismatch, cssetcd.ErrNodeInUse, cssetcd.ErrCzarsRegistered,
			cssetcd.ErrDropPending, cssetcd.ErrNotEmpty,
		},
		cssetcd.ErrInvalid:  {cssetcd.ErrInvalidName, cssetcd.ErrBadValue, &cssetcd.ValueError{}},
		cssetcd.ErrBadValue: {&cssetcd.ValueError{}}, cssetcd.ErrVersionMismatch: {&cssetcd.VersionError{}},
	} {
		for _, child := range children {
			require.ErrorIs(t, child, parent)
			require.NotErrorIs(t, parent, child)
		}
	}
	assert.NotErrorIs(t, cssetcd.ErrNoSuchDB, cssetcd.ErrNoSuchTable)
}

func TestNewReportsAllFaultsTogether(t *testing.T) {
	_, err := cssetcd.New(t.Context(), nil, cssetcd.WithPrefix("x/"), cssetcd.WithLogger(nil))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	for _, part := range []string{"css: open: invalid: 3 faults:", "the logger is nil", "the etcd client is nil",
		`prefix "x/"`} {
		assert.ErrorContains(t, err, part)
	}
	_, err = cssetcd.New(t.Context(), csstest.Etcd(), cssetcd.WithAuthor("a\nb"))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	require.ErrorContains(t, err, `WithAuthor: it has '\n', which cannot be printed`)
	for _, prefix := range []string{"", "/", "x", "/x/", "/x//y", "//x"} {
		_, err := cssetcd.New(t.Context(), csstest.Etcd(), cssetcd.WithPrefix(prefix))
		require.ErrorIs(t, err, cssetcd.ErrInvalid, "%q", prefix)
	}
	c := must(cssetcd.New(t.Context(), csstest.Etcd(), cssetcd.WithPrefix(csstest.NewPrefix()+"/b/c")))(t)
	ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "db"}))
	assert.Contains(t, rows(t, c), "/DBS/db")
}

// TestNewWritesNothing (I4): only the first create, restore or raw write makes an etcd a CSS.
func TestNewWritesNothing(t *testing.T) {
	c := csstest.New(t)
	unchanged(t, c, func() {
		again := csstest.At(t, c.Prefix())
		v := openView(t, again)
		_ = v.Snapshot()
		id := must(again.Identity(t.Context()))(t)
		assert.Empty(t, id.History)
		assert.NotZero(t, id.Cluster)
		assert.Equal(t, c.Prefix(), id.Prefix)
		for _, err := range []error{
			errOf(c.DropDatabase(t.Context(), "x")), errOf(c.SetNodeState(t.Context(), "x", "")),
			errOf(c.CreateTable(t.Context(), directorTable(object))),
			errOf(c.CreateDatabaseLike(t.Context(), "x", "y")),
		} {
			require.ErrorIs(t, err, cssetcd.ErrVersionMissing)
		}
	})
	ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "db"}))
	id := must(c.Identity(t.Context()))(t)
	assert.NotEmpty(t, id.History)
}
