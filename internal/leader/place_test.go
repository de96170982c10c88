package leader

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestPlace says for what is found below the prefix what a candidate is to do.
func TestPlace(t *testing.T) {
	const prefix = "/e/"
	at := func(lease, created int64) candidate {
		return candidate{key: candidateKey(prefix, lease), created: created, modified: created, lease: lease}
	}
	without := func(c candidate) candidate { c.lease = 0; return c }
	mine := at(7, 20)
	for _, test := range []struct {
		name  string
		found []candidate
		want  place
	}{
		{"alone", []candidate{mine}, place{standing: leads}},
		{"before others", []candidate{at(3, 30), mine, at(9, 21)}, place{standing: leads}},
		{"behind one", []candidate{at(3, 10), mine}, place{standing: standsBy, behind: at(3, 10)}},
		{"behind the oldest", []candidate{at(1, 15), at(3, 10), at(5, 12), mine}, place{standing: standsBy,
			behind: at(3, 10)}},
		{"of one transaction", []candidate{at(3, 20), mine, at(9, 20)}, place{standing: standsBy, behind: at(3, 20)}},
		{"nothing there", nil, place{standing: standAgain}},
		{"its key is gone", []candidate{at(9, 30)}, place{standing: standAgain}},
		{"its key is gone, and others wait before it", []candidate{at(3, 10)}, place{standing: standAgain}},
		{"its key was put again on its lease", []candidate{at(7, 25)}, place{standing: standAgain}},
		{"its key was put again on no lease", []candidate{without(at(7, 25))}, place{standing: standAgain}},
		{"its key was taken from its lease", []candidate{without(mine)}, place{standing: standAgain}},
		{"an older key on no lease", []candidate{without(at(3, 10)), mine}, place{standing: leads,
			strays: []candidate{without(at(3, 10))}}},
		{"an older key on the lease of another", []candidate{{key: prefix + "x", created: 10, lease: 3}, mine},
			place{standing: leads, strays: []candidate{{key: prefix + "x", created: 10, lease: 3}}}},
		{"a newer key on no lease holds nobody up that is here", []candidate{mine, without(at(3, 30))},
			place{standing: leads}},
	} {
		t.Run(test.name, func(t *testing.T) { assert.Equal(t, test.want, placeOf(prefix, test.found, mine)) })
	}
}
