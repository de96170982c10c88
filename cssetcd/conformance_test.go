package cssetcd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/kv"
)

// stored is everything below a prefix, for the suite.
func stored(t *testing.T, c *cssetcd.Client) map[string]string {
	t.Helper()
	s := must(c.Store().Fetch(t.Context(), 0, kv.Everything))(t)
	all := map[string]string{}
	for p, e := range s.Range(kv.Everything) {
		all[string(p)] = e.Value
	}
	return all
}

// storesUnderTest are what a catalogue can be kept in, but for a cluster.
func storesUnderTest() map[string]csstest.Harness {
	return map[string]csstest.Harness{
		"file": {Open: onFile, Stored: stored},
		"memory": {
			Open:   func(*testing.T) *cssetcd.Client { return cssetcd.OnStore(kv.NewMemory()) },
			Stored: stored,
		},
		"one member": {
			Open:   func(t *testing.T) *cssetcd.Client { return csstest.New(t) },
			Again:  func(t *testing.T, first *cssetcd.Client) *cssetcd.Client { return csstest.At(t, first.Prefix()) },
			Stored: stored,
		},
	}
}

// onFile opens a catalogue on a file. Where the machine has a file system in memory the file lies there, since each
// write is synced.
func onFile(t *testing.T) *cssetcd.Client {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "css-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	c := must(cssetcd.OpenFile(filepath.Join(dir, "css.json")))(t)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

// TestConformance: every store does what the catalogue promises.
func TestConformance(t *testing.T) {
	for name, h := range storesUnderTest() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			csstest.TestClient(t, h)
		})
	}
	t.Run("three members", func(t *testing.T) {
		t.Parallel()
		csstest.TestClient(t, newCluster(t).harness())
	})
}

// TestFileHoldsWhatItsWritersLeft: a catalogue on a file is the same when it is opened again, with the spellings that
// are kept beside it.
func TestFileHoldsWhatItsWritersLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "css.json")
	var c *cssetcd.Client
	open := func(t *testing.T) *cssetcd.Client {
		c = must(cssetcd.OpenFile(path))(t)
		return c
	}
	csstest.TestWriters(t, csstest.Harness{Open: open, Stored: stored, Operations: 300})
	ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "lsst"}))
	ok(t)(c.CreateTable(t.Context(), cssetcd.Table{Name: object}))
	before := stored(t, c)
	require.NoError(t, c.Close())
	after := stored(t, open(t))
	require.NoError(t, c.Close())
	for path := range before {
		if !strings.HasPrefix(path, "css/") && !strings.HasPrefix(path, "fold/") {
			delete(before, path)
		}
	}
	assert.Equal(t, before, after)
}
