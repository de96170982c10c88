package cssetcd_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

// inLSST is a table of the database of newCatalogue, whose director is Object.
func inLSST(name string, edit func(*cssetcd.Table)) cssetcd.Table {
	t := directorTable(cssetcd.TableName{DB: "lsst", Table: name})
	if edit != nil {
		edit(&t)
	}
	return t
}

func asChild(of string) func(*cssetcd.Table) {
	return func(t *cssetcd.Table) {
		t.Partitioning = &cssetcd.Partitioning{DirDB: "lsst", DirTable: of, DirColumn: "objectId"}
	}
}

func asMatch(a, b string) func(*cssetcd.Table) {
	return func(t *cssetcd.Table) {
		t.Partitioning, t.SharedScan = nil, nil
		t.Match = &cssetcd.Match{DirTable1: a, DirColumn1: "objectId", DirTable2: b, DirColumn2: "refId", FlagColumn: "flags"}
		t.Schema = "(objectId BIGINT, refId BIGINT, flags INT)"
	}
}

func TestUnqueryableTables(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "plain"}))
	unstriped := directorTable(cssetcd.TableName{DB: "plain", Table: "T"})
	for _, table := range []cssetcd.Table{inLSST("A", asChild("None")), inLSST("B", asMatch("Object", "other.Ref")),
		unstriped} {
		unchanged(t, c, func() {
			err := errOf(c.CreateTable(ctx, table))
			require.ErrorIs(t, err, cssetcd.ErrUnqueryable)
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			var b cssetcd.Batch
			b.CreateTable(table)
			require.ErrorIs(t, errOf(c.Commit(ctx, &b)), cssetcd.ErrUnqueryable)
		})
		require.ErrorIs(t, c.CheckQueryable(ctx, table.Name), cssetcd.ErrNoSuchTable)
		ok(t)(c.CreateTable(ctx, table, cssetcd.AllowUnqueryable()))
		err := c.CheckQueryable(ctx, table.Name)
		require.ErrorIs(t, err, cssetcd.ErrUnqueryable)
		assert.ErrorContains(t, err, "css: check table "+table.Name.String()+": no czar can query it: ")
	}
	ok(t)(c.CreateTable(ctx, inLSST("Ref", nil)))
	ok(t)(c.CreateTable(ctx, inLSST("Source", asChild("Object"))))
	ok(t)(c.CreateTable(ctx, inLSST("Pairs", asMatch("lsst.Object", "lsst.Ref"))))
	for _, name := range []string{"Object", "Ref", "Source", "Pairs"} {
		require.NoError(t, c.CheckQueryable(ctx, cssetcd.TableName{DB: "lsst", Table: name}))
	}
	pairs := must(c.Table(ctx, cssetcd.TableName{DB: "lsst", Table: "Pairs"}))(t)
	assert.Equal(t, [2]string{"Object", "Ref"}, [2]string{pairs.Match.DirTable1, pairs.Match.DirTable2},
		"as upstream looks for them")
	found := maps.Collect(cssetcd.Unqueryable(maps.All(rows(t, c))))
	assert.Len(t, found, 3)
	assert.EqualError(t, found[cssetcd.TableName{DB: "lsst", Table: "A"}],
		"no czar can query it: its director lsst.None is not there")
}

// TestDirectorAndChildInOneBatch: each table of a batch sees those before it.
func TestDirectorAndChildInOneBatch(t *testing.T) {
	c := csstest.New(t)
	create := func(tables ...cssetcd.Table) error {
		var b cssetcd.Batch
		b.CreateDatabase(cssetcd.Database{Name: "lsst", Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}})
		for _, table := range tables {
			b.CreateTable(table)
		}
		return errOf(c.Commit(t.Context(), &b))
	}
	director, ref, child, match := inLSST("Object", nil), inLSST("Ref", nil), inLSST("Source", asChild("Object")),
		inLSST("Pairs", asMatch("Object", "Ref"))
	require.ErrorIs(t, create(child, director), cssetcd.ErrUnqueryable)
	require.NoError(t, create(director, child, ref, match))
}

// TestRuleHoldsWhenItIsWritten: what the rule looked at has not changed when the table comes.
func TestRuleHoldsWhenItIsWritten(t *testing.T) {
	for what, change := range map[string]func(*cssetcd.Client){
		"the director goes": func(c *cssetcd.Client) { ok(t)(c.DropTable(t.Context(), object)) },
		"the director has no sub-chunks": func(c *cssetcd.Client) {
			ok(t)(c.Raw().Put(t.Context(), "/DBS/lsst/TABLES/Object/partitioning/subChunks", "0"))
		},
		"the director has another director": func(c *cssetcd.Client) {
			ok(t)(c.Raw().Put(t.Context(), "/DBS/lsst/TABLES/Object/partitioning/.packed.json", `{"dirTable":"Other"} `))
		},
		"the director is a match table": func(c *cssetcd.Client) {
			ok(t)(c.Raw().Put(t.Context(), "/DBS/lsst/TABLES/Object/match/dirTable1", "A"))
		},
		"the database has no partitioning": func(c *cssetcd.Client) {
			ok(t)(c.Raw().Put(t.Context(), "/DBS/lsst/.packed.json", "{} "))
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCatalogue(t)
			r := racing(c, func() { change(c) })
			require.ErrorIs(t, errOf(r.CreateTable(t.Context(), inLSST("Source", asChild("Object")))), cssetcd.ErrUnqueryable)
		})
	}
}

// TestChunkNames: workers keep chunk 5 of Object as Object_5, and what overlaps into it as ObjectFullOverlap_5. Another
// table of such a name would go with Object when that is dropped.
func TestChunkNames(t *testing.T) {
	plain := func(name string) cssetcd.Table {
		return cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: name}, Schema: "(a INT)"}
	}
	for _, name := range []string{"Object_5", "OBJECT_05", "ObjectFullOverlap_5", "objectfulloverlap_1234567890"} {
		t.Run(name, func(t *testing.T) {
			ctx, c := t.Context(), newCatalogue(t)
			refused := func(c *cssetcd.Client, table cssetcd.Table, opts ...cssetcd.WriteOption) {
				t.Helper()
				err := errOf(c.CreateTable(ctx, table, opts...))
				require.ErrorIs(t, err, cssetcd.ErrInvalidName)
				assert.ErrorContains(t, err, fmt.Sprintf("lsst.%s and lsst.Object: workers keep the chunks of the second", name))
			}
			unchanged(t, c, func() {
				refused(c, plain(name))
				refused(c, plain(name), cssetcd.AllowUnqueryable())
				refused(c, inLSST(name, nil))
			})
			ok(t)(c.DropTable(ctx, object))
			ok(t)(c.CreateTable(ctx, plain(name)))
			for _, free := range []string{"Object_", "Object_5a", "Object_55x", "ObjectFullOverlap", "Object5", "Object_a5"} {
				ok(t)(c.CreateTable(ctx, plain(free)))
			}
			unchanged(t, c, func() { refused(c, inLSST("Object", nil), cssetcd.AllowUnqueryable()) })
			found := maps.Collect(cssetcd.Unqueryable(maps.All(rows(t, c))))
			assert.Empty(t, found)
			ok(t)(c.DropTable(ctx, cssetcd.TableName{DB: "lsst", Table: name}))
			ok(t)(c.CreateTable(ctx, inLSST("Object", nil)))

			byHand := rows(t, c)
			byHand["/DBS/lsst/TABLES/"+name] = "READY"
			found = maps.Collect(cssetcd.Unqueryable(maps.All(byHand)))
			require.ErrorIs(t, found[cssetcd.TableName{DB: "lsst", Table: name}], cssetcd.ErrInvalidName)

			t.Run("at once", func(t *testing.T) {
				r := racing(c, func() { ok(t)(c.CreateTable(ctx, inLSST("Object", nil))) })
				ok(t)(c.DropTable(ctx, object))
				refused(r, plain(name))
				ok(t)(c.DropTable(ctx, object))
				r = racing(c, func() { ok(t)(c.CreateTable(ctx, plain(name))) })
				refused(r, inLSST("Object", nil))
			})
			t.Run("in a batch", func(t *testing.T) {
				var b cssetcd.Batch
				b.DropTable(cssetcd.TableName{DB: "lsst", Table: name})
				b.CreateTable(plain("Object_6b"))
				b.CreateTable(inLSST("Object", nil))
				ok(t)(c.Commit(ctx, &b))
				b = cssetcd.Batch{}
				b.CreateTable(inLSST("New", nil))
				b.CreateTable(plain("New_1"))
				require.ErrorIs(t, errOf(c.Commit(ctx, &b)), cssetcd.ErrInvalidName)
			})
		})
	}
	c := newCatalogue(t)
	ok(t)(c.CreateTable(t.Context(), plain("Filter")))
	ok(t)(c.CreateTable(t.Context(), plain("Filter_1"))) // every worker holds Filter whole
}

func TestSubnormalNumbers(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	match := inLSST("Pairs", asMatch("Object", "Object"))
	match.Match.AngSep = 5e-324
	director := inLSST("New", func(t *cssetcd.Table) { t.Partitioning.Overlap = 0x1p-1023 })
	unchanged(t, c, func() {
		for _, err := range []error{
			errOf(c.CreateTable(ctx, match, cssetcd.AllowUnqueryable())),
			errOf(c.CreateTable(ctx, director, cssetcd.AllowUnqueryable())),
			errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "d", Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1,
				Overlap: 5e-324}})),
		} {
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			assert.ErrorContains(t, err, "so small that Qserv cannot read it")
		}
	})
	director.Partitioning.Overlap = 0x1p-1022
	ok(t)(c.CreateTable(ctx, director))
}
