package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Kind says how a row differs from what it should be. The texts are a stable contract.
type Kind string

// The kinds of difference.
const (
	Missing     Kind = "missing"      // there should be a row and is none
	Extra       Kind = "extra"        // there is a row and should be none
	WrongValue  Kind = "value"        // the value differs
	WrongParent Kind = "parent"       // parentKvId is not the row above
	WrongKey    Kind = "key_spelling" // the row has another key, which the table cannot tell from this one
)

// Difference is one way in which the table differs from the image.
type Difference struct {
	Kind  Kind
	Key   string // as it should be; for an extra row as it is
	Have  string // the row's value, its key for WrongKey, or its parent's id for WrongParent; empty when missing
	Want  string // likewise, as it should be; empty when extra
	RowID int32  // kvId; 0 when missing
}

// Bytes is how much a record of the difference holds.
func (d Difference) Bytes() int { return len(d.Have) + len(d.Want) }

// Differences lists what a full plan would correct, in the byte order of the keys. The table shows the image exactly if
// there is none.
func (p *Plan) Differences() []Difference {
	var out []Difference
	cleared := make(map[string]Row, len(p.Clear))
	for _, r := range p.Clear {
		cleared[r.Key] = r
	}
	for _, r := range p.Inserts {
		old, again := cleared[r.Key]
		switch delete(cleared, r.Key); {
		case !again:
			out = append(out, Difference{Kind: Missing, Key: r.Key, Want: r.Value})
		case old.Value != r.Value:
			out = append(out, Difference{WrongValue, r.Key, old.Value, r.Value, old.ID})
		}
	}
	for _, r := range slices.Concat(slices.Collect(maps.Values(cleared)), p.Deletes) {
		out = append(out, Difference{Kind: Extra, Key: r.Key, Have: r.Value, RowID: r.ID})
	}
	for _, u := range p.Updates {
		out = append(out, u.differences()...)
	}
	slices.SortStableFunc(out, func(a, b Difference) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	return out
}

func (u Update) differences() []Difference {
	var out []Difference
	d := Difference{Key: u.New.Key, RowID: u.Old.ID}
	if u.Old.Key != u.New.Key {
		d.Kind, d.Have, d.Want = WrongKey, u.Old.Key, u.New.Key
		out = append(out, d)
	}
	d.Have, d.Want = u.Old.Value, u.New.Value
	if u.Old.Value != u.New.Value {
		d.Kind = WrongValue
		out = append(out, d)
	}
	if u.Old.Parent != u.New.Parent {
		d.Kind, d.Have, d.Want = WrongParent, parentLiteral(u.Old), parentLiteral(u.New)
		out = append(out, d)
	}
	return out
}
