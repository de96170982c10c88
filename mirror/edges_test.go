package mirror_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Rule: the server and the mirror reckon the same digest, whatever stands in a row.
func TestDigestIsTheSameOnTheServer(t *testing.T) {
	w := newWorld(t)
	for _, value := range []string{
		"", "1", strings.Repeat("x", 1023), strings.Repeat("x", 1024), strings.Repeat("x", 1025), strings.Repeat("é", 512),
		strings.Repeat("é", 513), "\x00 it's \\",
	} {
		w.put("/DBS/é", value)
		w.once()
		survey, err := kvdata.ReadSurvey(t.Context(), w.target, time.Minute)
		require.NoError(t, err)
		require.NotNil(t, survey.Digest)
		assert.Equal(t, *survey.Digest, survey.RowDigest, "%.20q of %d bytes", value, len(value))
	}
}

// Rule: a row whose value nearly fills max_allowed_packet can be changed like others.
func TestValueAsLargeAsAPacket(t *testing.T) {
	w := newWorld(t)
	w.createWide("VARCHAR(300) CHARSET utf8mb4 COLLATE utf8mb4_bin", "MEDIUMTEXT CHARSET utf8mb4")
	w.put("/DBS/a", "1")
	w.once()
	w.exec("UPDATE kvData SET kvVal = REPEAT('x', 16777215) WHERE kvKey = '/DBS/a'")
	rev := w.put("/DBS/b", "2")
	result, err := w.single().Once(t.Context())
	assert.NoError(t, err)
	assert.Equal(t, rev, result.Revision)
}

// Rule: where a column was widened, keys that were in quarantine are not taken for rows that others deleted.
func TestQuarantineIsNoForeignWrite(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1", "/DBS/long", strings.Repeat("v", 70_000))
	w.once()
	w.exec("ALTER TABLE kvData MODIFY kvVal MEDIUMTEXT NOT NULL")
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
	w.once()
	list, _, err := kvdata.ReadForeign(t.Context(), w.target, 0)
	require.NoError(t, err)
	for _, f := range list {
		assert.Equal(t, "/DBS/a", f.Key, "%s", f.Kind)
	}
}

// Rule: of a row to which others gave another parent, css_mirror_foreign keeps both parents' ids.
func TestParentsAreRecorded(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1", "/DBS/b", "2")
	w.once()
	rows := w.rows()
	w.exec("UPDATE kvData SET parentKvId = ? WHERE kvKey = '/DBS/a'", rows["/DBS/b"].id)
	w.once()
	list, _, err := kvdata.ReadForeign(t.Context(), w.target, 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, fmt.Sprint(rows["/DBS/b"].id), list[0].Have)
	assert.Equal(t, fmt.Sprint(rows["/DBS"].id), list[0].Want)
}

// Rule: a row with the smallest id there can be is noticed, too.
func TestSmallestIDIsSurveyed(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	m := w.mirror(quickly(mirror.Alert))
	w.run(m)
	awaitStatus(t, m, following)
	w.exec("INSERT INTO kvData (kvId, kvKey, kvVal) VALUES (-2147483648, '/DBS/new', 'theirs')")
	assert.Eventually(t, func() bool { return len(w.foreign()) > 0 }, 3*time.Second, 50*time.Millisecond)
}

type failing struct{ mirror.Catalogue }

func (failing) Snapshot(context.Context, cssetcd.Revision) (*cssetcd.Snapshot, error) {
	return nil, fmt.Errorf("%w: %w", cssetcd.ErrUnavailable, context.DeadlineExceeded)
}

// Rule: an error of etcd is none of MySQL.
func TestDryRunBlamesEtcdForEtcd(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	w.once()
	_, err := w.single(func(c *mirror.Config) { c.Catalogue = failing{w.client} }).DryRun(t.Context())
	assert.ErrorIs(t, err, cssetcd.ErrUnavailable)
	assert.NotErrorIs(t, err, mirror.ErrUnavailable)
	assert.NotContains(t, err.Error(), "MySQL")
}
