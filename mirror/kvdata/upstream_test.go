package kvdata_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/testkit/upstream"
)

// captured are the rows of the inbox that each operation of upstream leaves: a letter each, Insert, Update, Delete.
var captured = map[string]string{
	"01-connect": "III", "02-createDb-plain": "IIIU", "03-createDb-striped": "IIIIIU", "04-createDbLike": "IIU",
	"05-createTable-plain": "IIIU", "06-createTable-director": "IIIIU", "07-createTable-child-scan": "IIIIIIU",
	"08-createTable-second-director": "IIIIIIU", "09-createMatchTable": "IIIIIU", "10-setTableSchema": "U",
	"11-setTableStatus": "U", "12-setTableStatus-unchanged": "", "13-setDbStatus": "U",
	"14-setScanTableParams-existing": "U", "15-setScanTableParams-new": "II", "16-addNode-first": "IIIU",
	"17-addNode-second": "IIU", "18-addNode-third": "IIU", "19-setNodeState": "U", "20-addChunk-first": "IIIIIII",
	"21-addChunk-second": "IIIIII", "22-addChunk-third": "IIIIII", "23-addChunk-again": "II", "24-deleteChunk": "DDDDDDDD",
	"25-addChunk-after-delete": "IIIIII", "26-deleteNode": "DD", "27-dropTable": "DDDDDDDDDDDDDDDDDDDDDDDDD",
	"28-dropDb": "DDDDDDDDDDDDDDDDDDDDDD", "29-dropDb-empty": "DD",
}

const (
	allRows = "SELECT kvId, HEX(kvKey), HEX(kvVal), parentKvId FROM kvData ORDER BY kvId"
	nextID  = "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND " +
		"TABLE_NAME = 'kvData'"
)

// Rule: upstream's own statements have the same answers and leave the same rows, ids and next id where they are
// captured, and each operation leaves the same kinds of rows in the inbox, from which the table can be made again.
func TestUpstreamIsCaptured(t *testing.T) {
	t.Parallel()
	dir := upstream.Dir(t)
	plain, with := newServer(t), newServer(t)
	plain.exec(upstream.Schema(t, dir))
	with.exec(upstream.Schema(t, dir))
	w := capture(t, with)
	control, theirs := plain.other(), w.other()
	operations := upstream.Operations(t, dir)
	require.Len(t, operations, 29)
	shadow := map[int32]string{}
	for _, op := range operations {
		require.Equal(t, plain.does(control, op.Statements...), w.does(theirs, op.Statements...), op.Name)
		require.Equal(t, plain.does(control, allRows, nextID), w.does(theirs, allRows, nextID), op.Name)
		rows := w.emptied()
		want, known := captured[op.Name]
		assert.True(t, known, op.Name)
		assert.Equal(t, want, kinds(rows), op.Name)
		for _, r := range rows {
			if delete(shadow, r.KvID); r.After.There {
				shadow[r.KvID] = r.Key + "\n" + r.After.Text
			}
		}
		require.Equal(t, w.rowsByID(), shadow, op.Name)
	}
	assert.NotEmpty(t, shadow)
}

func (w *capturing) rowsByID() map[int32]string {
	w.t.Helper()
	_, table, _, err := w.mirror.Everything(w.t.Context(), 0)
	require.NoError(w.t, err)
	out := map[int32]string{}
	for r := range table.Rows() {
		out[r.ID] = r.Key + "\n" + r.Value
	}
	return out
}

// Rule: where drops are refused, upstream's drops fail as a whole, whatever they deleted before they came to a name;
// the connection works on, and so does what is no drop.
func TestUpstreamsDropsAreRefused(t *testing.T) {
	t.Parallel()
	dir := upstream.Dir(t)
	s := newServer(t)
	s.exec(upstream.Schema(t, dir))
	w := capture(t, s)
	require.NoError(t, w.mirror.RefuseDrops(t.Context(), true))
	theirs := w.other()
	said := map[string]string{}
	for _, op := range upstream.Operations(t, dir) {
		before := w.does(theirs, allRows)
		w.emptied()
		answers, err := upstream.Call(t.Context(), theirs, op)
		require.NoError(t, err)
		last := answers[len(answers)-1]
		if last.Error == 0 {
			assert.Equal(t, captured[op.Name], kinds(w.inbox().Rows), op.Name)
			continue
		}
		said[op.Name] = last.Text
		assert.Equal(t, before, w.does(theirs, allRows), op.Name)
		assert.Empty(t, w.inbox().Rows, op.Name)
	}
	const refused = "Error 1644 (45000): drops go through css-etcd: run `css-sync %s` instead"
	assert.Equal(t, map[string]string{
		"27-dropTable":    fmt.Sprintf(refused, "table drop atlas.Star"),
		"28-dropDb":       fmt.Sprintf(refused, "table drop atlas.Band"),
		"29-dropDb-empty": fmt.Sprintf(refused, "db drop atlas_copy"),
	}, said)
}
