package cssetcd_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/testkit"
)

// largeDump has two databases whose tables take several transactions each, a director among them.
func largeDump() map[string]string {
	all := map[string]string{"/css_meta/version": "1", "/PARTITIONING/_0000000001/nStripes": "60", "/DBS/lsst": "READY",
		"/DBS/other": "FAILED:x"}
	for _, n := range []string{"w1", "w2", "w3"} {
		all["/NODES/"+n] = "ACTIVE"
	}
	for i, table := range []string{"/DBS/lsst/TABLES/A", "/DBS/lsst/TABLES/Object", "/DBS/other/TABLES/B",
		"/DBS/other/TABLES/Small"} {
		all[table] = "READY"
		all[table+"/schema"] = "(a INT)"
		all[table+"/partitioning/.packed.json"] = `{"dirDb":"lsst","dirTable":"Object"} `
		if !strings.HasSuffix(table, "Small") {
			addChunks(all, table, 30+10*i)
		}
	}
	return all
}

func addChunks(all map[string]string, table string, n int) {
	for id := range n {
		for r := range 2 {
			all[fmt.Sprintf("%s/CHUNKS/%d/REPLICAS/%010d/.packed.json", table, id, r+1)] = fmt.Sprintf(`{"nodeName":"w%d"} `,
				(id+r)%3+1)
		}
	}
}

// isDirector says whether a table of a dump is its own director.
func isDirector(values map[string]string, table string) bool {
	name := table[strings.LastIndexByte(table, '/')+1:]
	if plain, ok := values[table+"/partitioning/dirTable"]; ok {
		return plain == name
	}
	return strings.Contains(values[table+"/partitioning/.packed.json"], `"dirTable":"`+name+`"`)
}

// checkStates fails the test unless each state of a restore, from one revision on, is one that readers may see.
func checkStates(t require.TestingT, st kv.Store, values map[string]string, from kv.Revision) {
	final := withAncestors(values)
	var dbs, tables, directors []string
	for key := range final {
		switch parts := strings.Split(key, "/"); {
		case len(parts) == 3 && parts[1] == "DBS":
			dbs = append(dbs, key)
		case len(parts) == 5 && parts[1] == "DBS" && parts[3] == "TABLES":
			tables = append(tables, key)
			if isDirector(final, key) {
				directors = append(directors, key)
			}
		}
	}
	now := must(st.Fetch(context.Background(), 0))(t)
	for rev := from; rev <= now.Revision; rev++ {
		s := must(st.Fetch(context.Background(), rev, everythingInCSS, kv.Below("fold")))(t)
		usable := func(key string) bool {
			e := s.At(kv.Path("css" + key))
			return e.Exists() && e.Value == final[key] && e.Value != string(cssetcd.StatusIgnore)
		}
		whole := func(key string) bool {
			for k, v := range final {
				if strings.HasPrefix(k, key+"/") && s.At(kv.Path("css"+k)).Value != v {
					return false
				}
			}
			return true
		}
		for _, key := range append(slices.Clone(dbs), tables...) {
			require.True(t, !usable(key) || whole(key), "revision %d: %s is %s and not whole", rev, key, final[key])
		}
		for _, key := range tables {
			if !usable(key) || slices.Contains(directors, key) {
				continue
			}
			for _, d := range directors {
				require.True(t, usable(d) || final[d] == "DO_NOT_USE", "revision %d: %s is there before the director %s", rev, key,
					d)
			}
		}
		for p, e := range s.Range(everythingInCSS) {
			key := string(p[len("css"):])
			want, ok := final[key]
			isStatus := slices.Contains(dbs, key) || slices.Contains(tables, key)
			if key != "/css_meta" && key != "/css_meta/version" {
				require.True(t, ok, "revision %d: %s is not in the dump", rev, key)
				require.True(t, e.Value == want || (isStatus && e.Value == "DO_NOT_USE"), "revision %d: %s is %q", rev, key,
					e.Value)
			}
			if isStatus || strings.HasPrefix(key, "/NODES/") && strings.Count(key, "/") == 2 {
				require.Equal(t, key, s.At(cssetcd.FoldPath(key)).Value, "revision %d: the spelling of %s", rev, key)
			}
			if parent := key[:strings.LastIndexByte(key, '/')]; parent != "" {
				require.True(t, s.At(kv.Path("css"+parent)).Exists(), "revision %d: %s is there without %s", rev, key, parent)
			}
		}
	}
}

func requireRestored(t require.TestingT, st kv.Store, values map[string]string) {
	s := must(st.Fetch(context.Background(), 0, kv.Everything))(t)
	got, nodes := map[string]string{}, map[kv.Path]bool{}
	for p, e := range s.Range(everythingInCSS) {
		got[string(p[len("css"):])] = e.Value
		if _, node, ok := strings.Cut(e.Value, `{"nodeName":"`); ok {
			nodes["ref/"+kv.Path(strings.TrimSuffix(node, `"} `))] = true
		}
	}
	want := withAncestors(values)
	want["/css_meta"] = ""
	require.Equal(t, want, got)
	for ref := range nodes {
		require.True(t, s.At(ref).Exists(), ref)
	}
}

// TestRestoreShowsOnlyWholeTables (I10): tables and databases are usable only when all of their keys are there,
// directors before the others.
func TestRestoreShowsOnlyWholeTables(t *testing.T) {
	values := largeDump()
	c := emptyStore()
	var seen [][2]int
	res := must(c.Restore(t.Context(), parse(t, dumpOf(values)),
		cssetcd.OnProgress(func(done, total int) { seen = append(seen, [2]int{done, total}) })))(t)
	requireRestored(t, c.Store(), values)
	checkStates(t, c.Store(), values, 1)
	assert.Equal(t, cssetcd.RestoreResult{
		Databases: 2, Tables: 4, Nodes: 3, Keys: len(withAncestors(values)), Transactions: len(seen),
		Revision: catalogue(t, c, 0).Revision(),
	}, res)
	assert.Greater(t, res.Transactions, 7)
	assert.Less(t, res.Transactions, res.Keys/50, "transactions are filled")
	assert.Equal(t, [2]int{res.Keys, res.Keys}, seen[len(seen)-1])
	assert.True(t, slices.IsSortedFunc(seen, func(a, b [2]int) int { return a[0] - b[0] }))

	t.Run("restoring it again finds all there and writes nothing", func(t *testing.T) {
		unchanged(t, c, func() {
			again := must(c.Restore(t.Context(), parse(t, dumpOf(values))))(t)
			assert.Equal(t, res.Keys, again.Present)
			assert.Zero(t, again.Transactions)
			assert.Equal(t, res.Revision, again.Revision)
		})
	})
}

func TestRestoreOfASmallDumpIsOneTransaction(t *testing.T) {
	c := emptyStore()
	res := must(c.Restore(t.Context(), parse(t, smallDump)))(t)
	assert.Equal(t, 1, res.Transactions)
	checkStates(t, c.Store(), valuesOf(parse(t, smallDump)), 1)
	tab := must(c.Table(t.Context(), object))(t)
	assert.Equal(t, tab.Incarnation, tab.Modified, "it was never seen as DO_NOT_USE")
	require.ErrorIs(t, errOf(c.DeleteNode(t.Context(), "worker-1")), cssetcd.ErrNodeInUse)
}

// TestRestoreKeepsSmallTablesInOneTransaction (I10): a table that fits into a transaction is never seen as DO_NOT_USE,
// however many there are.
func TestRestoreKeepsSmallTablesInOneTransaction(t *testing.T) {
	values := map[string]string{"/css_meta/version": "1", "/DBS/lsst": "READY"}
	for i := range 40 {
		table := fmt.Sprintf("/DBS/lsst/TABLES/T%02d", i)
		values[table] = "READY"
		for j := range 17 + i%7 {
			values[fmt.Sprintf("%s/key%d", table, j)] = "x"
		}
	}
	c := emptyStore()
	res := must(c.Restore(t.Context(), parse(t, dumpOf(values))))(t)
	assert.Greater(t, res.Transactions, 2)
	for table, err := range catalogue(t, c, 0).Tables("lsst") {
		require.NoError(t, err)
		assert.Equal(t, table.Incarnation, table.Modified, table.Name)
	}
}

// TestHistoryStays: a catalogue that lost its version and gets another one is of the history that it was of.
func TestHistoryStays(t *testing.T) {
	st := kv.NewMemory()
	must(st.Commit(t.Context(), kv.Change{Puts: []kv.Put{{Path: "history", Value: "mine"}}}))(t)
	must(cssetcd.OnStore(st).CreateDatabase(t.Context(), cssetcd.Database{Name: "db"}))(t)
	s := must(st.Fetch(t.Context(), 0, kv.Key("history")))(t)
	assert.Equal(t, "mine", s.At("history").Value)
}

// TestInterruptedRestoreIsContinued (I10): stopped at each of its transactions, with the answer lost or not, and run
// again, it ends as one that was not stopped, and no state on the way shows part of a table as usable.
func TestInterruptedRestoreIsContinued(t *testing.T) {
	values := largeDump()
	d := parse(t, dumpOf(values))
	c := emptyStore()
	res := must(c.Restore(t.Context(), d))(t)
	for at := 1; at <= res.Transactions+1; at++ { // the first is that of the version
		for _, lost := range []bool{false, true} {
			c := emptyStore()
			broken := c.Through(func(st kv.Store) kv.Store { return &faulty{Store: st, failAt: at, lost: lost} })
			_, err := broken.Restore(t.Context(), d)
			if lost {
				require.NoError(t, err, "what was lost is looked at and continued")
			} else {
				require.ErrorIs(t, err, errFault)
				present := 0
				again := must(c.Restore(t.Context(), d, cssetcd.OnProgress(func(done, _ int) {
					assert.GreaterOrEqual(t, done, present)
					present = done
				})))(t)
				assert.LessOrEqual(t, again.Transactions, res.Transactions-at+2, "what was there is not written again")
				assert.Equal(t, again.Keys, present)
			}
			requireRestored(t, c.Store(), values)
			checkStates(t, c.Store(), values, 1)
		}
	}
}

// TestRestoreOfRandomCatalogues (I10): of any catalogue, failing at any transaction, every state on the way is one that
// readers may see.
func TestRestoreOfRandomCatalogues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := csstest.Catalogue().Draw(t, "catalogue")
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if parts := strings.Split(key, "/"); len(parts) == 5 && parts[3] == "TABLES" {
				addChunks(values, key, rapid.IntRange(0, 40).Draw(t, "chunks"))
			}
		}
		d := must(cssetcd.ParseDump(strings.NewReader(dumpOf(values))))(t)
		c := emptyStore()
		broken := c.Through(func(st kv.Store) kv.Store {
			return &faulty{Store: st, failAt: rapid.IntRange(1, 10).Draw(t, "fail at"), lost: rapid.Bool().Draw(t, "lost")}
		})
		_, err := broken.Restore(context.Background(), d, cssetcd.WithPendingDrops())
		if err != nil {
			require.ErrorIs(t, err, errFault)
			must(c.Restore(context.Background(), d, cssetcd.WithPendingDrops()))(t)
		}
		requireRestored(t, c.Store(), values)
		checkStates(t, c.Store(), values, 1)
	})
}

// TestRestoreIntoWhatIsNotEmpty (I10) is refused, with the key that is in the way.
func TestRestoreIntoWhatIsNotEmpty(t *testing.T) {
	for _, tt := range []struct{ why, key, value, message string }{
		{"a key that is not in the dump", "/DBS/other", "READY", "/DBS/other is there and not in the dump"},
		{"another value", "/DBS/lsst/TABLES/Object/schema", "(b INT)",
			"/DBS/lsst/TABLES/Object/schema is there with another value"},
		{"another status", "/DBS/lsst", "FAILED:x", "/DBS/lsst is there with another value"},
		{"DO_NOT_USE where there is no status", "/NODES/worker-1", "DO_NOT_USE",
			"/NODES/worker-1 is there with another value"},
		{"more of the meta data", "/css_meta/more", "", ""},
		{"a part of the dump", "/DBS/lsst", "READY", ""},
		{"a status that is not set yet", "/DBS/lsst/TABLES/Object", "DO_NOT_USE", ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			c := emptyStore()
			errOf(c.Restore(t.Context(), parse(t, minimalDump)))
			byHand(t, c, kv.Path("css"+tt.key), tt.value)
			byHand(t, c, cssetcd.FoldPath(tt.key), tt.key)
			if tt.message == "" {
				res := must(c.Restore(t.Context(), parse(t, smallDump)))(t)
				if tt.value == "READY" {
					assert.Equal(t, 3, res.Present)
				}
				return
			}
			unchanged(t, c, func() {
				for _, opt := range [][]cssetcd.RestoreOption{nil, {cssetcd.DryRun()}} {
					_, err := c.Restore(t.Context(), parse(t, smallDump), opt...)
					require.ErrorIs(t, err, cssetcd.ErrNotEmpty)
					require.ErrorIs(t, err, cssetcd.ErrPrecondition)
					assert.ErrorContains(t, err, tt.message)
				}
			})
		})
	}
	t.Run("what comes there meanwhile", func(t *testing.T) {
		c := emptyStore()
		errOf(c.Restore(t.Context(), parse(t, minimalDump)))
		r := racing(c, nil, func() { byHand(t, c, "css/DBS/other/TABLES/Small/schema", "(b INT)") })
		values := largeDump()
		require.ErrorIs(t, errOf(r.Restore(t.Context(), parse(t, dumpOf(values)))), cssetcd.ErrNotEmpty)
	})
	t.Run("keys without a version", func(t *testing.T) {
		c := emptyStore()
		byHand(t, c, "css/DBS", "")
		require.ErrorIs(t, errOf(c.Restore(t.Context(), parse(t, smallDump))), cssetcd.ErrVersionMissing)
		must(c.Restore(t.Context(), parse(t, smallDump), cssetcd.Overwrite()))(t)
	})
}

// TestRestoreDoesNotStartDrops: a dump with pending drops needs the option, and the error names them all.
func TestRestoreDoesNotStartDrops(t *testing.T) {
	text := `{"/css_meta/version": "1", "/DBS/a": "PENDING_DROP:x", "/DBS/b": "READY", "/DBS/b/TABLES/t": "PENDING_DROP:", "/DBS/b/TABLES/u": "READY", "/NODES/n": "PENDING_DROP:no"}`
	c := emptyStore()
	unchanged(t, c, func() {
		_, err := c.Restore(t.Context(), parse(t, text))
		require.ErrorIs(t, err, cssetcd.ErrInvalid)
		assert.ErrorContains(t, err, "it would start to drop /DBS/a, /DBS/b/TABLES/t;")
	})
	must(c.Restore(t.Context(), parse(t, text), cssetcd.WithPendingDrops()))(t)
	assert.Equal(t, "PENDING_DROP:x", rows(t, c)["/DBS/a"])
}

// TestRestoreRespectsDropsInProgress: a name whose drop has not ended is not created.
func TestRestoreRespectsDropsInProgress(t *testing.T) {
	for _, intent := range []kv.Path{"drop/db/lsst", "drop/table/lsst/Object"} {
		t.Run(string(intent), func(t *testing.T) {
			c := emptyStore()
			byHand(t, c, intent, "")
			unchanged(t, c, func() {
				_, err := c.Restore(t.Context(), parse(t, smallDump))
				require.ErrorIs(t, err, cssetcd.ErrDropPending)
				assert.ErrorContains(t, err, "/DBS/lsst")
				_, err = c.Restore(t.Context(), parse(t, smallDump), cssetcd.Overwrite())
				require.ErrorIs(t, err, cssetcd.ErrDropPending)
			})
		})
	}
	t.Run("that begin between look and write", func(t *testing.T) {
		c := emptyStore()
		r := racing(c, nil, func() { byHand(t, c, "drop/table/lsst/Object", "") })
		require.ErrorIs(t, errOf(r.Restore(t.Context(), parse(t, smallDump))), cssetcd.ErrDropPending)
		assert.NotContains(t, rows(t, c), "/DBS/lsst")
	})
	t.Run("of other names do not matter, nor those of what is there", func(t *testing.T) {
		c := emptyStore()
		byHand(t, c, "drop/table/lsst/Else", "")
		byHand(t, c, "drop/db/other", "")
		must(c.Restore(t.Context(), parse(t, smallDump)))(t)
		byHand(t, c, "drop/table/lsst/Object", "")
		must(c.Restore(t.Context(), parse(t, smallDump)))(t)
	})
	t.Run("nothing is wiped while any is there", func(t *testing.T) {
		c := emptyStore()
		fill(t, c)
		byHand(t, c, "drop/table/other/x", "")
		unchanged(t, c, func() {
			for _, opts := range [][]cssetcd.RestoreOption{{cssetcd.Overwrite()}, {cssetcd.Overwrite(), cssetcd.DryRun()}} {
				_, err := c.Restore(t.Context(), parse(t, smallDump), opts...)
				require.ErrorIs(t, err, cssetcd.ErrDropPending)
			}
		})
		deleteByHand(t, c, kv.Below("drop"))
		r := racing(c, func() { byHand(t, c, "drop/table/other/x", "") })
		_, err := r.Restore(t.Context(), parse(t, smallDump), cssetcd.Overwrite())
		require.ErrorIs(t, err, cssetcd.ErrDropPending)
		assert.Contains(t, rows(t, c), "/DBS/lsst/TABLES/Object")
	})
}

// TestOverwriteChangesIncarnationsAndKeepsTheVersion, the history and what is not the catalogue.
func TestOverwriteChangesIncarnationsAndKeepsTheVersion(t *testing.T) {
	ctx, c := t.Context(), csstest.New(t)
	must(c.Restore(ctx, parse(t, smallDump)))(t)
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "other"}))
	byHand(t, c, "config", "kept")
	byHand(t, c, "css/css_metal", "no meta key")
	putKeys(t, c, map[string]string{"/css_meta.x": "", "/css_meta0": ""})
	before, version := catalogue(t, c, 0), beside(t, c)
	keys := before.Len()
	res := must(c.Restore(ctx, parse(t, smallDump), cssetcd.Overwrite()))(t)
	assert.Equal(t, keys-2, res.Removed, "all but /css_meta and the version")
	after := catalogue(t, c, 0)
	for _, key := range []string{"/DBS/lsst", "/DBS/lsst/TABLES/Object", "/NODES/worker-1"} {
		old, _ := before.Key(key)
		now, there := after.Key(key)
		require.True(t, there)
		assert.Greater(t, now.Create, old.Create, key)
	}
	old, _ := before.Key("/css_meta/version")
	now, _ := after.Key("/css_meta/version")
	assert.Equal(t, old, now)
	assert.Equal(t, version["history"], beside(t, c)["history"])
	assert.Equal(t, "kept", beside(t, c)["config"])
	assert.NotContains(t, beside(t, c), kv.Path("fold/dbs/other"))
	requireRestored(t, c.Store(), valuesOf(parse(t, smallDump)))

	t.Run("nothing is wiped from a CSS whose version was raised meanwhile", func(t *testing.T) {
		c := newCatalogue(t)
		r := racing(c, func() { byHand(t, c, "css/css_meta/version", "2") })
		_, err := r.Restore(ctx, parse(t, smallDump), cssetcd.Overwrite())
		require.ErrorIs(t, err, cssetcd.ErrVersionMismatch)
		assert.Contains(t, rows(t, c), "/DBS/lsst/TABLES/Object")
	})
	t.Run("an empty target has nothing to remove", func(t *testing.T) {
		c := emptyStore()
		byHand(t, c, "czar/1", "")
		res, err := c.Restore(ctx, parse(t, smallDump), cssetcd.Overwrite())
		require.NoError(t, err, "no czar can be in the way of what is not there")
		assert.Zero(t, res.Removed)
	})
}

// TestDryRunWritesNothing and says what would be done.
func TestDryRunWritesNothing(t *testing.T) {
	values := largeDump()
	for name, make := range map[string]func() *cssetcd.Client{
		"an empty store": emptyStore,
		"a part of it": func() *cssetcd.Client {
			c := emptyStore()
			broken := c.Through(func(st kv.Store) kv.Store { return &faulty{Store: st, failAt: 4} })
			require.ErrorIs(t, errOf(broken.Restore(t.Context(), parse(t, dumpOf(values)))), errFault)
			return c
		},
		"something else": func() *cssetcd.Client {
			c := emptyStore()
			fill(t, c)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := make()
			var said cssetcd.RestoreResult
			opts := []cssetcd.RestoreOption{cssetcd.Overwrite()}
			if name != "something else" {
				opts = nil
			}
			unchanged(t, c, func() {
				before := catalogue(t, c, 0).Revision()
				var err error
				said, err = c.Restore(t.Context(), parse(t, dumpOf(values)),
					append(opts, cssetcd.DryRun(), cssetcd.OnProgress(func(int, int) { t.Error("there is no progress") }))...)
				require.NoError(t, err)
				assert.Equal(t, before, said.Revision)
				assert.Equal(t, before, catalogue(t, c, 0).Revision())
			})
			done := must(c.Restore(t.Context(), parse(t, dumpOf(values)), opts...))(t)
			said.Revision = done.Revision
			assert.Equal(t, said, done, "it does what was said")
		})
	}
}

// TestRestoreOfManyChunks: what is restored is whole, read in order and dropped at once.
func TestRestoreOfManyChunks(t *testing.T) {
	const chunks = 500
	c := csstest.New(t)
	values := map[string]string{"/css_meta/version": "1", "/DBS/lsst": "READY", "/DBS/lsst/TABLES/Object": "READY",
		"/DBS/lsst/TABLES/Object/schema": "()"}
	addChunks(values, "/DBS/lsst/TABLES/Object", chunks)
	res := must(c.Restore(t.Context(), parse(t, dumpOf(values))))(t)
	assert.Equal(t, len(withAncestors(values)), res.Keys)
	requireRestored(t, c.Store(), values)
	id := 0
	for ch, err := range must(c.Chunks(t.Context(), object))(t) {
		require.NoError(t, err)
		nodes := []string{fmt.Sprintf("w%d", id%3+1), fmt.Sprintf("w%d", (id+1)%3+1)}
		require.Equal(t, cssetcd.Chunk{ID: id, Nodes: nodes}, ch)
		id++
	}
	assert.Equal(t, chunks, id)
	ok(t)(c.DropTable(t.Context(), object))
	assert.Empty(t, rowsBelow(t, c, "/DBS/lsst/TABLES"))
}

// TestRestoreOfLongValues: transactions keep below etcd's limit of bytes, too.
func TestRestoreOfLongValues(t *testing.T) {
	values := map[string]string{"/css_meta/version": "1", "/DBS/lsst": "READY"}
	for i := range 60 {
		table := fmt.Sprintf("/DBS/lsst/TABLES/t%d", i)
		values[table] = "READY"
		values[table+"/schema"] = strings.Repeat("é", 32_000)
		values[fmt.Sprintf("/other/%d", i)] = strings.Repeat("x", 65_535)
	}
	c := csstest.New(t)
	must(c.Restore(t.Context(), parse(t, dumpOf(values))))(t)
	requireRestored(t, c.Store(), values)
}

// TestOverwriteRemovesNothingThatItCannotReplace: an etcd that takes smaller transactions only, or has no room, keeps
// what it has, and is not made to raise its alarm.
func TestOverwriteRemovesNothingThatItCannotReplace(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, c *cssetcd.Client, d *cssetcd.Dump, want error) {
		unchanged(t, c, func() {
			_, err := c.Restore(t.Context(), d, cssetcd.Overwrite())
			require.ErrorIs(t, err, want)
			assert.ErrorContains(t, err, "nothing was removed")
		})
	}
	t.Run("operations", func(t *testing.T) {
		t.Parallel()
		server := testkit.Etcd(t, embedetcd.Options{MaxTxnOps: 64, UnsafeNoFsync: true})
		c, _ := clientOf(t, server.Endpoints()[0])
		fill(t, c)
		refused(t, c, parse(t, dumpOf(largeDump())), cssetcd.ErrTooLarge)
		_, err := c.Restore(t.Context(), parse(t, smallDump), cssetcd.Overwrite())
		require.NoError(t, err, "one that it takes")
	})
	t.Run("room", func(t *testing.T) {
		t.Parallel()
		server := testkit.Etcd(t, embedetcd.Options{Quota: 4 << 20, UnsafeNoFsync: true})
		c, etcd := clientOf(t, server.Endpoints()[0])
		fill(t, c)
		large := map[string]string{"/css_meta/version": "1"}
		for i := range 100 { // more than the quota by themselves
			large[fmt.Sprintf("/other/%d", i)] = strings.Repeat("x", 65_000)
		}
		refused(t, c, parse(t, dumpOf(large)), cssetcd.ErrNoRoom)
		alarms := must(etcd.AlarmList(t.Context()))(t)
		assert.Empty(t, alarms.Alarms)

		var err error
		for i := 0; err == nil || !strings.Contains(err.Error(), "database space exceeded"); i++ {
			require.Less(t, i, 1000, "etcd has no quota")
			_, err = c.Raw().Put(t.Context(), "/other", strings.Repeat("x", 60_000))
		}
		refused(t, c, parse(t, smallDump), cssetcd.ErrNoRoom)
	})
}

// TestOverwriteInterruptedAtEachTransaction (I10): what is seen then is a catalogue in which nothing usable lacks a
// part, and a restore makes it whole.
func TestOverwriteInterruptedAtEachTransaction(t *testing.T) {
	values := largeDump()
	d := parse(t, dumpOf(values))
	for at := 1; ; at++ {
		c := emptyStore()
		must(c.Restore(t.Context(), parse(t, smallDump)))(t)
		before := catalogue(t, c, 0)
		broken := c.Through(func(st kv.Store) kv.Store { return &faulty{Store: st, failAt: at} })
		res, err := broken.Restore(t.Context(), d, cssetcd.Overwrite())
		if err == nil {
			assert.Equal(t, res.Transactions+2, at, "all were interrupted once: the removal, and each of the rest")
			break
		}
		require.ErrorIs(t, err, errFault)
		if at == 1 {
			assert.Equal(t, before.Revision(), catalogue(t, c, 0).Revision(), "what was there is still there")
			continue
		}
		var options []cssetcd.RestoreOption
		if at%2 == 0 {
			options = append(options, cssetcd.Overwrite())
		}
		must(c.Restore(t.Context(), d, options...))(t)
		requireRestored(t, c.Store(), values)
		checkStates(t, c.Store(), values, before.Revision()+1)
	}
}

func TestRestoreReportsWhatEtcdRefuses(t *testing.T) {
	c := csstest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Restore(ctx, parse(t, smallDump))
	require.ErrorIs(t, err, context.Canceled)
	var failed *cssetcd.Error
	require.True(t, errors.As(err, &failed))
	assert.Equal(t, "restore", failed.Op)
	assert.Equal(t, c.Prefix(), failed.Object)
}
