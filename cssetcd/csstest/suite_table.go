package csstest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

func createNewTable(table cssetcd.Table, opts ...cssetcd.WriteOption) func(context.Context,
	*cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.CreateTable(ctx, table, opts...)
	}
}

func setStatus(n cssetcd.TableName, s cssetcd.Status, opts ...cssetcd.WriteOption) func(context.Context,
	*cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.SetTableStatus(ctx, n, s, opts...)
	}
}

func setTableSchema(n cssetcd.TableName, schema string, opts ...cssetcd.WriteOption) func(context.Context,
	*cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.SetTableSchema(ctx, n, schema, opts...)
	}
}

func setScan(n cssetcd.TableName, s cssetcd.SharedScan, opts ...cssetcd.WriteOption) func(context.Context,
	*cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.SetSharedScan(ctx, n, s, opts...)
	}
}

func drop(n cssetcd.TableName, opts ...cssetcd.WriteOption) func(context.Context, *cssetcd.Client) (cssetcd.Revision,
	error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.DropTable(ctx, n, opts...)
	}
}

func testTables(t *testing.T, h Harness) {
	c := h.Open(t)
	longer := cssetcd.TableName{DB: "lsst", Table: "Object2"}
	run(t, c,
		step{what: "the database", do: createDatabase(lsst)},
		step{what: "create", do: createNewTable(director())},
		step{what: "again", do: createNewTable(director()), want: cssetcd.ErrTableExists},
		step{what: "again if it does not exist", do: createNewTable(cssetcd.Table{Name: object}, cssetcd.IfNotExists()),
			same: true},
		step{what: "in no database", do: createNewTable(cssetcd.Table{Name: nowhere}), want: cssetcd.ErrNoSuchDB},
		step{what: "in no database, if it does not exist", do: createNewTable(cssetcd.Table{Name: nowhere},
			cssetcd.IfNotExists()), want: cssetcd.ErrNoSuchDB},
		step{what: "set the status", do: setStatus(object, cssetcd.StatusIgnore)},
		step{what: "set the status of nothing", do: setStatus(missing, cssetcd.StatusIgnore), want: cssetcd.ErrNoSuchTable},
		step{what: "set the status of nothing nowhere", do: setStatus(nowhere, cssetcd.StatusIgnore), want: errNoDB},
		step{what: "set the schema", do: setTableSchema(object, "(new INT)")},
		step{what: "set the schema of nothing", do: setTableSchema(missing, "(new INT)"), want: cssetcd.ErrNoSuchTable},
		step{what: "set the shared scan", do: setScan(object, cssetcd.SharedScan{Rating: 3})},
		step{what: "set the shared scan of nothing", do: setScan(nowhere, cssetcd.SharedScan{}), want: errNoDB},
		step{what: "a name that begins like another", do: createNewTable(cssetcd.Table{Name: longer, Schema: "(i INT)"})},
	)
	want := director()
	want.Status, want.Schema, want.SharedScan = cssetcd.StatusIgnore, "(new INT)", &cssetcd.SharedScan{Rating: 3}
	expectTable(t, c, want)
	run(t, c,
		step{what: "drop", do: drop(object)},
		step{what: "drop again", do: drop(object), want: cssetcd.ErrNoSuchTable},
		step{what: "drop again if it exists", do: drop(object, cssetcd.IfExists()), same: true},
		step{what: "drop nowhere if it exists", do: drop(nowhere, cssetcd.IfExists()), same: true},
		step{what: "drop nowhere", do: drop(nowhere), want: errNoDB},
	)
	expectTable(t, c, cssetcd.Table{Name: longer, Status: cssetcd.StatusReady, Schema: "(i INT)"})
	_, err := c.Table(t.Context(), object)
	assert.Equal(t, kinds(cssetcd.ErrNoSuchTable), kinds(err))
	run(t, c, step{what: "drop the database", do: dropDatabase("lsst")})
	_, err = c.Table(t.Context(), longer)
	assert.Equal(t, kinds(errNoDB), kinds(err))
	for key := range latest(t, c).Below("/DBS") {
		assert.Fail(t, "something is left", key)
	}
}

// expectTable compares a table, but for its revisions, as a client and as a snapshot shows it.
func expectTable(t *testing.T, c *cssetcd.Client, want cssetcd.Table) {
	t.Helper()
	got, err := c.Table(t.Context(), want.Name)
	require.NoError(t, err)
	shown, err := latest(t, c).Table(want.Name)
	require.NoError(t, err)
	assert.Equal(t, got, shown)
	plain := *got
	plain.Incarnation, plain.Modified = 0, 0
	assert.Equal(t, want, plain)
}

func testMatchTables(t *testing.T, h Harness) {
	c := filled(t, h)
	table := cssetcd.Table{
		Name: cssetcd.TableName{DB: "lsst", Table: "Match"}, Status: cssetcd.StatusReady, Schema: "(a INT, b INT)",
		Match: &cssetcd.Match{DirTable1: "lsst.Object", DirColumn1: "a", DirTable2: "other.Object", DirColumn2: "b",
			FlagColumn: "flags", AngSep: 0.5},
	}
	half := table
	half.Match = &cssetcd.Match{DirTable1: "lsst.Object", DirColumn1: "a"}
	run(t, c,
		step{what: "with one director", do: createNewTable(half), want: cssetcd.ErrInvalid},
		step{what: "create", do: createNewTable(table), want: cssetcd.ErrUnqueryable},
		step{what: "create all the same", do: createNewTable(table, cssetcd.AllowUnqueryable())},
		step{what: "again", do: createNewTable(table), want: cssetcd.ErrTableExists},
	)
	table.Partitioning, table.Match.DirTable1 = &cssetcd.Partitioning{}, "Object"
	expectTable(t, c, table)
	copied, err := latest(t, c).TablesLike("lsst", "copy")
	require.NoError(t, err)
	require.Len(t, copied, 2)
	assert.Equal(t, "Object", copied[0].Match.DirTable1)
	assert.Equal(t, "other.Object", copied[0].Match.DirTable2)
}
