package plan

// ids is a set of ids of rows.
type ids struct {
	bits []uint64
	rest map[int32]struct{} // those that are out of proportion
}

// seenIDs returns an empty set for the ids of a table.
func (t *Table) seenIDs() *ids {
	most := min(int(t.maxID), 64*t.Len())
	return &ids{bits: make([]uint64, most/64+1), rest: map[int32]struct{}{}}
}

func (s *ids) add(id int32) {
	if i := int(id) / 64; id >= 0 && i < len(s.bits) {
		s.bits[i] |= 1 << (id % 64)
	} else {
		s.rest[id] = struct{}{}
	}
}

func (s *ids) has(id int32) bool {
	if i := int(id) / 64; id >= 0 && i < len(s.bits) {
		return s.bits[i]&(1<<(id%64)) != 0
	}
	_, ok := s.rest[id]
	return ok
}
