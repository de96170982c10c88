package cssetcd_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

// TestNilIsRefused: nothing that may be nil by mistake ends the process.
func TestNilIsRefused(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	for what, do := range map[string]func() error{
		"an option of New":      func() error { return errOf(cssetcd.New(ctx, csstest.Etcd(), nil)) },
		"an etcd client":        func() error { return errOf(cssetcd.New(ctx, nil)) },
		"an option of a file":   func() error { return errOf(cssetcd.OpenFile(t.TempDir()+"/f", nil)) },
		"a batch":               func() error { return errOf(c.Commit(ctx, nil)) },
		"a dump":                func() error { return errOf(c.Restore(ctx, nil)) },
		"an option of Restore":  func() error { return errOf(c.Restore(ctx, parse(t, smallDump), nil)) },
		"the client of a view":  func() error { return errOf(cssetcd.OpenView(ctx, nil)) },
		"an option of OpenView": func() error { return errOf(cssetcd.OpenView(ctx, c, nil)) },
	} {
		err := do()
		require.ErrorIs(t, err, cssetcd.ErrInvalid, what)
		assert.ErrorContains(t, err, "is nil", what)
	}
}

// TestWhatUpstreamHoldsIn32Bits: more is refused, by operations and in a dump.
func TestWhatUpstreamHoldsIn32Bits(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	const most, over = math.MaxInt32, math.MaxInt32 + 1
	striped := func(name string, stripes, subs int) error {
		return errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: name,
			Striping: &cssetcd.Striping{Stripes: stripes, SubStripes: subs}}))
	}
	unchanged(t, c, func() {
		for what, err := range map[string]error{
			"stripes": striped("a", over, 1), "sub-stripes": striped("a", 1, over),
			"scan rating": errOf(c.SetSharedScan(ctx, object, cssetcd.SharedScan{Rating: over})),
			"chunk":       errOf(c.AddChunk(ctx, object, over, "worker-1")),
		} {
			require.ErrorIs(t, err, cssetcd.ErrInvalid, what)
			assert.ErrorContains(t, err, what+" 2147483648: must be")
		}
	})
	require.NoError(t, striped("a", most, most))
	ok(t)(c.SetSharedScan(ctx, object, cssetcd.SharedScan{Rating: most}))
	ok(t)(c.AddChunk(ctx, object, most, "worker-1"))

	for key, value := range map[string]string{
		"/PARTITIONING/_0000000001/nStripes":            "2147483648",
		"/PARTITIONING/_0000000001/.packed.json":        `{"nSubStripes":"1099511627776"}`,
		"/DBS/lsst/TABLES/Object/sharedScan/scanRating": "3e9",
		"/NODES/w/port": "-2147483649",
		"/DBS/lsst/TABLES/Object/CHUNKS/3000000000":           "",
		"/DBS/lsst/TABLES/Object/CHUNKS/99999999999999999999": "",
	} {
		_, err := cssetcd.ParseDump(strings.NewReader(dumpOf(map[string]string{"/css_meta/version": "1", key: value})))
		require.ErrorIs(t, err, cssetcd.ErrInvalid, key)
		assert.ErrorContains(t, err, key)
	}
	for key, value := range map[string]string{
		"/PARTITIONING/_0000000001/nStripes":         "2147483647",
		"/PARTITIONING/_0000000001/other":            "2147483648",
		"/DBS/lsst/TABLES/Object/CHUNKS/2147483647":  "",
		"/DBS/lsst/TABLES/Object/CHUNKS/x3000000000": "",
		"/DBS/lsst/TABLES/Object/schema":             "3000000000",
	} {
		_, err := cssetcd.ParseDump(strings.NewReader(dumpOf(map[string]string{"/css_meta/version": "1", key: value})))
		require.NoError(t, err, key)
	}
}

// TestCataloguesLieApart: one that would take another's keys for its own is not made.
func TestCataloguesLieApart(t *testing.T) {
	ctx := t.Context()
	open := func(prefix string) *cssetcd.Client {
		c := must(cssetcd.New(ctx, csstest.Etcd(), cssetcd.WithPrefix(prefix)))(t)
		return c
	}
	outer := csstest.NewPrefix()
	db := cssetcd.Database{Name: "db"}
	ok(t)(open(outer).CreateDatabase(ctx, db))
	refused := func(prefix, message string) {
		t.Helper()
		_, err := open(prefix).CreateDatabase(ctx, db)
		require.ErrorIs(t, err, cssetcd.ErrInvalid)
		require.ErrorContains(t, err, message)
		_, err = open(prefix).Restore(ctx, parse(t, smallDump), cssetcd.Overwrite())
		require.ErrorIs(t, err, cssetcd.ErrInvalid)
		require.ErrorContains(t, err, message)
	}
	refused(outer+"/css", "lies among the keys of the CSS at "+outer)
	refused(outer+"/fold/x", "lies among the keys of the CSS at "+outer)
	ok(t)(open(outer+"/beside").CreateDatabase(ctx, db))

	around := csstest.NewPrefix()
	ok(t)(open(around+"/drop").CreateDatabase(ctx, db))
	refused(around, "has the CSS at "+around+"/drop among its keys")

	_, err := cssetcd.New(ctx, csstest.Etcd(), cssetcd.WithPrefix("/a\x00b"))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	require.ErrorContains(t, err, "has NUL")
}

// TestAClosedEtcdClientIsToldAtOnce: by everything that asks etcd.
func TestAClosedEtcdClientIsToldAtOnce(t *testing.T) {
	ctx := t.Context()
	etcd := must(clientv3.New(clientv3.Config{Endpoints: csstest.Etcd().Endpoints()}))(t)
	c := must(cssetcd.New(ctx, etcd, cssetcd.WithPrefix(csstest.NewPrefix())))(t)
	fill(t, c)
	view := must(cssetcd.OpenView(ctx, c))(t)
	defer view.Close()
	changes := view.Subscribe()
	require.NoError(t, etcd.Close())
	for err := error(nil); !errors.Is(err, cssetcd.ErrClosed); _, err = changes.Next(ctx) {
		require.NoError(t, err)
	}
	for what, err := range map[string]error{
		"New":      errOf(cssetcd.New(ctx, etcd, cssetcd.WithPrefix(c.Prefix()))),
		"a read":   errOf(c.Table(ctx, object)),
		"a write":  errOf(c.SetTableStatus(ctx, object, cssetcd.StatusIgnore)),
		"Snapshot": errOf(c.Snapshot(ctx, 0)),
		"Identity": errOf(c.Identity(ctx)),
		"a list":   errOf(c.Raw().Children(ctx, "/DBS")),
		"a node":   errOf(c.DeleteNode(ctx, "worker-1")),
		"OpenView": errOf(cssetcd.OpenView(ctx, c)),
	} {
		require.ErrorIs(t, err, cssetcd.ErrClosed, what)
		assert.ErrorContains(t, err, "the etcd client was closed", what)
	}
}

// TestTooLargeSaysOfWhat: how many, of what, and the limit.
func TestTooLargeSaysOfWhat(t *testing.T) {
	c := must(cssetcd.New(t.Context(), csstest.Etcd(), cssetcd.WithPrefix(csstest.NewPrefix())))(t)
	fill(t, c)
	var chunks cssetcd.Batch
	for id := range 50 {
		chunks.AddChunk(object, id, "worker-1")
	}
	_, err := c.Commit(t.Context(), &chunks)
	require.ErrorIs(t, err, cssetcd.ErrTooLarge)
	assert.Regexp(t, `too large for one etcd transaction: it has \d+ (conditions|keys and ranges), and 128 is the most`,
		err.Error())
}
