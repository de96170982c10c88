package batch_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/batch"
)

// everything has each operation once, or more.
const everything = `# a comment, and an empty line

{"op":"node add","name":"worker-1","host":"h","port":5012}
{"op":"node add","name":"worker-2","host":"h","port":5013}
{"op":"node set-state","name":"worker-1","state":"INACTIVE","if_status":"ACTIVE"}
{"op":"node delete","name":"worker-2"}
{"op":"db create","name":"D","striping":{"stripes":340,"sub_stripes":3,"overlap":0.01}}
{"op":"db create","name":"Like","like":"D"}
{"op":"db create","name":"Like","like":"D","if_not_exists":true}
{"op":"db set-status","name":"Like","status":"DO_NOT_USE"}
{"op":"db create","name":"Gone"}
{"op":"db drop","name":"Gone"}
{"op":"db drop","name":"Never","if_exists":true}
{"op":"table create","database":"D","table":"O","schema":"(id INT, ra DOUBLE, decl DOUBLE)","partitioning":{"director_database":"D","director_table":"O","director_column":"id","latitude_column":"decl","longitude_column":"ra","sub_chunks":true}}
{"op":"table set-status","database":"D","table":"O","status":"DO_NOT_USE"}
{"op":"table set-schema","database":"D","table":"O","schema":"(id INT, ra DOUBLE, decl DOUBLE, more INT)"}
{"op":"table set-scan","database":"D","table":"O","scan_rating":2,"lock_in_mem":true}
{"op":"table create","database":"D","table":"Gone","schema":"(id INT)"}
{"op":"table drop","database":"D","table":"Gone"}
{"op":"chunk add","database":"D","table":"O","id":7,"nodes":["worker-1"]}
{"op":"chunk add","database":"D","table":"O","id":8,"nodes":["worker-1"]}
{"op":"chunk delete","database":"D","table":"O","id":8}
{"op":"chunk empty set","database":"D","chunks":"0-311,313"}
{"op":"chunk empty add","database":"D","chunks":"312"}
{"op":"chunk empty remove","database":"D","chunks":"7"}
{"op":"chunk empty set","database":"Like","chunks":"1"}
{"op":"chunk empty forget","database":"Like"}
`

func TestEveryOperation(t *testing.T) {
	t.Parallel()
	b, err := batch.Read(strings.NewReader(everything))
	require.NoError(t, err)
	assert.Equal(t, 25, b.Operations)
	for _, name := range batch.Names() {
		assert.Contains(t, everything, `"op":"`+name+`"`)
	}
	css, err := cssetcd.OpenFile(t.TempDir() + "/css.json")
	require.NoError(t, err)
	ctx := t.Context()
	_, err = css.Commit(ctx, b.Batch)
	require.NoError(t, err)

	s, err := css.Snapshot(ctx, 0)
	require.NoError(t, err)
	table, err := s.Table(cssetcd.TableName{DB: "D", Table: "O"})
	require.NoError(t, err)
	assert.Equal(t, cssetcd.StatusIgnore, table.Status)
	assert.Equal(t, "(id INT, ra DOUBLE, decl DOUBLE, more INT)", table.Schema)
	assert.Equal(t, &cssetcd.SharedScan{LockInMem: true, Rating: 2}, table.SharedScan)
	_, err = s.Table(cssetcd.TableName{DB: "D", Table: "Gone"})
	require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
	db, err := s.Database("Like")
	require.NoError(t, err)
	assert.Equal(t, cssetcd.StatusIgnore, db.Status)
	assert.Equal(t, 340, db.Striping.Stripes)
	_, err = s.Database("Gone")
	require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
	node, err := css.Node(ctx, "worker-1")
	require.NoError(t, err)
	assert.Equal(t, cssetcd.NodeInactive, node.State)
	_, err = css.Node(ctx, "worker-2")
	require.ErrorIs(t, err, cssetcd.ErrNoSuchNode)
	chunks, err := css.Chunks(ctx, table.Name)
	require.NoError(t, err)
	var ids []int
	for c, err := range chunks {
		require.NoError(t, err)
		ids = append(ids, c.ID)
	}
	assert.Equal(t, []int{7}, ids)
	empty, err := s.EmptyChunks("D")
	require.NoError(t, err)
	assert.Equal(t, "0-6,8-313", empty.String())
	_, err = s.EmptyChunks("Like")
	require.ErrorIs(t, err, cssetcd.ErrEmptyChunksUnknown)
}

// TestConditionsCount: each operation that takes one does nothing where it does not hold.
func TestConditionsCount(t *testing.T) {
	t.Parallel()
	css, err := cssetcd.OpenFile(t.TempDir() + "/css.json")
	require.NoError(t, err)
	commit := func(lines string) error {
		b, err := batch.Read(strings.NewReader(lines))
		require.NoError(t, err)
		_, err = css.Commit(t.Context(), b.Batch)
		return err
	}
	require.NoError(t, commit(`{"op":"node add","name":"n","host":"h","port":1}
{"op":"db create","name":"D"}
{"op":"table create","database":"D","table":"T","schema":"(id INT)"}`))
	for _, op := range []string{
		`"op":"db set-status","name":"D","status":"DO_NOT_USE"`, `"op":"db drop","name":"D"`,
		`"op":"table set-status","database":"D","table":"T","status":"DO_NOT_USE"`,
		`"op":"table set-schema","database":"D","table":"T","schema":"(id BIGINT)"`,
		`"op":"table set-scan","database":"D","table":"T","scan_rating":1`, `"op":"table drop","database":"D","table":"T"`,
		`"op":"node set-state","name":"n","state":"INACTIVE"`, `"op":"node delete","name":"n"`,
	} {
		require.ErrorIs(t, commit("{"+op+`,"if_status":"OTHER"}`), cssetcd.ErrStatusMismatch, op)
		require.ErrorIs(t, commit("{"+op+`,"if_revision":999}`), cssetcd.ErrRevisionMismatch, op)
	}
}

// TestWhatIsWrongIsNamed: each fault, with its line, and all of them together.
func TestWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		``:                                       "there is no operation",
		`{`:                                      "line 1: it is no JSON object: unexpected end",
		`[]`:                                     "line 1: it is no JSON object",
		`{"name":"D"}`:                           "line 1: it has no op, which is one of chunk add, ",
		`{"op":"db make","name":"D"}`:            `line 1: op "db make" is none of chunk add, `,
		`{"op":"db drop","name":"D"} x`:          "line 1: it is no JSON object: invalid character",
		`{"op":"db drop","nome":"D"}`:            `line 1: it has a field "nome", which means nothing here`,
		`{"op":"db drop","name":"D","name":"E"}`: "line 1: it has the field name twice",
		`{"op":"db drop","name":null}`:           "line 1: name is null",
		`{"op":"db drop","name":1}`:              "line 1: it: json: cannot unmarshal number",
		`{"op":"db set-status","name":"D","status":"REDY"}`:             `line 1: status "REDY" is none of READY`,
		`{"op":"db create","name":"D","status":"REDY"}`:                 `line 1: status "REDY" is none of READY`,
		`{"op":"db create","name":"D","like":"E","storage_class":"L2"}`: "line 1: a database like another one has all of that",
		`{"op":"chunk add","database":"D","table":"T","nodes":["n"]}`:   "line 1: it has no id",
		`{"op":"chunk delete","database":"D","table":"T"}`:              "line 1: it has no id",
		`{"op":"chunk empty set","database":"D"}`:                       "line 1: it has no chunks",
		`{"op":"chunk empty add","database":"D","chunks":"1-"}`:         "not a set of chunk ids",
		"{\"op\":\"db drop\",\"name\":\"a\"}\n{}\n#\n{\"op\":\"x\"}":    "line 2: it has no op",
	} {
		_, err := batch.Read(strings.NewReader(line))
		assert.ErrorContains(t, err, want, line)
	}
	_, err := batch.Read(strings.NewReader("{}\n#\n{\"op\":\"x\"}"))
	require.ErrorContains(t, err, "line 1: ")
	require.ErrorContains(t, err, "\nline 3: ")
	_, err = batch.Read(strings.NewReader("#\n" + strings.Repeat("x", 5<<20)))
	require.ErrorContains(t, err, "line 2: bufio.Scanner: token too long")
}
