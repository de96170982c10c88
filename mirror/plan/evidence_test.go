package plan_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

// differ returns n differences of a kind, of keys that manyRows has.
func differ(kind plan.Kind, n int) (out []plan.Difference) {
	for i := range n {
		out = append(out, plan.Difference{Kind: kind, Key: fmt.Sprintf("/rows/%d", i)})
	}
	return out
}

func manyRows(n int) *image {
	entries := map[string]cssetcd.Entry{"/DBS/x": {Create: 1, Mod: 1}}
	for i := range n {
		entries[fmt.Sprintf("/rows/%d", i)] = cssetcd.Entry{Create: 1, Mod: 1}
	}
	return imageOf(entries)
}

// Rule: the brake asks about what neither history nor a record of others' writes explains.
func TestBrakeAndEvidence(t *testing.T) {
	most := plan.MaxForeign
	for _, tt := range []struct {
		name string
		e    plan.Evidence
		rule plan.BrakeRule
	}{
		{"nothing is known", plan.Evidence{}, plan.MassDelete},
		{"nobody wrote since", plan.Evidence{Untouched: true}, ""},
		{"nobody wrote since, and etcd went back", plan.Evidence{Untouched: true, WentBack: true}, plan.MassDelete},
		{"history, from what the mirror left", plan.Evidence{Known: true}, ""},
		{"history that is gone", plan.Evidence{Known: true, WentBack: true}, plan.MassDelete},
		{"others wrote, and it is recorded", plan.Evidence{Known: true, Proven: true, Foreign: differ(plan.Extra, 1500)}, ""},
		{"others wrote as much as is recorded", plan.Evidence{Known: true, Proven: true, Foreign: differ(plan.Extra, most)},
			""},
		{"others wrote more", plan.Evidence{Known: true, Proven: true, Foreign: differ(plan.WrongValue, most+1)},
			plan.MassForeign},
		{"others wrote few rows of more bytes", plan.Evidence{Known: true, Proven: true, Foreign: []plan.Difference{
			{Kind: plan.WrongValue, Have: strings.Repeat("x", plan.MaxForeignBytes), Want: "1"}}}, plan.MassForeign},
		{"others deleted more", plan.Evidence{Known: true, Foreign: differ(plan.Missing, most+1)}, ""},
		{"others wrote, or it is another history", plan.Evidence{Known: true, Foreign: differ(plan.Extra, 1001)},
			plan.MassDelete},
		{"nobody wrote, and yet it is another history",
			plan.Evidence{Known: true, Untouched: true, Foreign: differ(plan.Extra, 1001)}, plan.MassDelete},
		{"the same, of few rows", plan.Evidence{Known: true, Untouched: true, Foreign: differ(plan.Extra, 1000)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := tableOf(t, manyRows(2000))
			p, err := plan.Full(table, manyRows(0))
			require.NoError(t, err)
			err = plan.BrakeMerge(table, p, tt.e)
			if tt.rule == "" {
				require.NoError(t, err)
				return
			}
			var refusal *plan.BrakeError
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, tt.rule, refusal.Rule)
		})
	}
}

// Rule: that all databases go needs no brake when history explains it, and one when it does not.
func TestBrakeAndEvidenceOfDatabases(t *testing.T) {
	table := tableOf(t, catalogue("/DBS/x", "READY"))
	p, err := plan.Full(table, catalogue())
	require.NoError(t, err)
	require.ErrorIs(t, plan.BrakeMerge(table, p, plan.Evidence{}), plan.ErrBrake)
	require.NoError(t, plan.BrakeMerge(table, p, plan.Evidence{Untouched: true}))
	require.ErrorIs(t, plan.BrakeMerge(table, p, plan.Evidence{Known: true, Untouched: true,
		Foreign: []plan.Difference{{Kind: plan.Extra, Key: "/DBS/x"}}}), plan.ErrBrake)
}

// Rule: what others wrote is what differs, row by row, and undoing it gives what the mirror left.
func TestForeignIsWhatDiffers(t *testing.T) {
	eachKind(t, func(t *rapid.T, c columns) {
		left, _ := c.drawMess(t)
		found, _ := c.drawMess(t)
		want := map[string]bool{}
		for r := range left.Rows() {
			if is, ok := found.Row(r.Key); !ok || is != r {
				want[r.Key] = true
			}
		}
		for r := range found.Rows() {
			if was, ok := left.Row(r.Key); !ok || was != r {
				want[c.fold(r.Key)] = true
			}
		}
		got := plan.Foreign(found, left)
		require.Equal(t, len(want) == 0, len(got) == 0, "%v", got)
		for _, d := range got {
			require.True(t, want[d.Key] || want[c.fold(d.Key)], "%v", d)
			is, ok := found.Row(d.Key)
			switch d.Kind {
			case plan.Extra:
				require.True(t, ok)
				require.Equal(t, is.Value, d.Have)
			case plan.WrongValue:
				was, _ := left.Row(d.Key)
				require.Equal(t, was.Value, d.Want)
			}
		}
		require.Equal(t, len(got) == 0, found.Digest() == left.Digest() && found.Len() == left.Len(),
			"the digest tells as much")
	})
}

// Rule: new rows can be numbered anew; the plan stays right, and its digest is that of the table afterwards.
func TestRenumber(t *testing.T) {
	eachKind(t, func(t *rapid.T, c columns) {
		h := &history{entries: map[string]cssetcd.Entry{}}
		for range rapid.IntRange(0, 6).Draw(t, "transactions") {
			h.transact(t)
		}
		im := imageOf(h.entries)
		table, db := c.drawMess(t)
		p, err := plan.Full(table, im)
		require.NoError(t, err)
		first := int64(rapid.IntRange(100, 1000).Draw(t, "first"))
		require.NoError(t, p.Renumber(first))
		for i, r := range p.Inserts {
			require.EqualValues(t, first+int64(i), r.ID)
		}
		require.NoError(t, db.execute(p))
		table.Apply(p)
		c.requireShows(t, im, table)
		require.Equal(t, digestOf(table), table.Digest())
		before := *p
		require.ErrorIs(t, (&plan.Plan{Inserts: []plan.Row{{ID: 1}, {ID: 2}}}).Renumber(math.MaxInt32), plan.ErrNoIDs)
		require.Equal(t, before, *p)
	})
}

// Rule: a name in all spellings costs what they are many, and a collision beside a large subtree does not cost that.
func TestManySpellings(t *testing.T) {
	entries := map[string]cssetcd.Entry{}
	const letters = 12
	for i := range 1 << letters {
		name := []byte("/abcdefghijkl")
		for bit := range letters {
			if i>>bit&1 == 1 {
				name[1+bit] -= 'a' - 'A'
			}
		}
		entries[string(name)] = cssetcd.Entry{Create: cssetcd.Revision(i + 1), Mod: 1}
	}
	im := &counted{image: imageOf(entries)}
	table := tableOf(t, im)
	assert.Equal(t, 1<<letters-1, table.QuarantineLen())
	assert.Less(t, im.asked, 20<<letters, "questions to the image")

	entries = map[string]cssetcd.Entry{"/DBS/big": {Create: 1}, "/DBS/BIG": {Create: 2}}
	for i := range 10_000 {
		entries[fmt.Sprintf("/DBS/big/%d", i)] = cssetcd.Entry{Create: 1}
	}
	im = &counted{image: imageOf(entries)}
	table = tableOf(t, im)
	im.asked = 0
	p, err := plan.Changed(table, im, []string{"/DBS/big/1"})
	require.NoError(t, err)
	assert.True(t, p.Empty())
	assert.Less(t, im.asked, 100)
}
