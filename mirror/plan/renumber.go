package plan

import (
	"fmt"
	"math"
)

// Renumber gives the new rows other ids, from first on, for when somebody else has taken theirs. Nothing else of the
// plan changes. It returns ErrNoIDs, and leaves the plan as it is, when they do not fit.
func (p *Plan) Renumber(first int64) error {
	if len(p.Inserts) == 0 {
		return nil
	}
	if first+int64(len(p.Inserts))-1 > math.MaxInt32 {
		return fmt.Errorf("%w: %d new rows do not fit after %d", ErrNoIDs, len(p.Inserts), first-1)
	}
	p.Digest = p.digestAfter(p.Digest) // takes back what it did
	ids := make(map[int32]int32, len(p.Inserts))
	for i := range p.Inserts {
		ids[p.Inserts[i].ID] = int32(first) + int32(i)
	}
	for i := range p.Inserts {
		r := &p.Inserts[i]
		r.ID, r.Parent = ids[r.ID], renumbered(ids, r.Parent)
	}
	for i := range p.Updates {
		p.Updates[i].New.Parent = renumbered(ids, p.Updates[i].New.Parent)
	}
	p.Digest = p.digestAfter(p.Digest)
	return nil
}

func renumbered(ids map[int32]int32, id int32) int32 {
	if now, ok := ids[id]; ok {
		return now
	}
	return id
}
