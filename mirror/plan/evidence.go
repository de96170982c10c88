package plan

// Evidence is what is known of how kvData came to hold what it holds. A change of the catalogue has three sides: what
// the mirror left in kvData, what kvData holds now, and what etcd holds now. From the first to the second others
// wrote; from the first to the third etcd's history leads. The zero value knows nothing.
type Evidence struct {
	// Untouched says that kvData is as the mirror left it, by the digest that it left with it.
	Untouched bool
	// Known says that what the mirror left is known row by row, and Foreign how kvData differs from it: Have is
	// what others wrote, Want what the mirror left.
	Known   bool
	Foreign []Difference
	// Proven says that the digest, too, is that of what the mirror is known to have left. Where others deleted rows
	// that cannot be told, since nobody knows their ids any more.
	Proven bool
	// Guessed says that others wrote and nobody knows what: Foreign is all that would be overwritten, and Want of it is
	// not known.
	Guessed bool
	// WentBack says that etcd no longer holds the history that the mirror followed, as after a restore from a backup.
	WentBack bool
}

// MaxForeign is how many rows that others wrote are undone without asking, and MaxForeignBytes how many bytes of values
// before and after: as many as the mirror keeps a record of.
const (
	MaxForeign      = 10_000
	MaxForeignBytes = 64 << 20
)

// Guess returns the evidence where others wrote and nobody knows what: a plan would overwrite it.
func (e Evidence) Guess(p *Plan) Evidence {
	e.Guessed = true
	for _, d := range p.Differences() {
		if d.Kind != Missing {
			d.Want = ""
			e.Foreign = append(e.Foreign, d)
		}
	}
	return e
}

// Lost counts what would be gone for good if kvData were made as the mirror left it: rows that others added or changed,
// and the bytes that a record of them takes.
func (e Evidence) Lost() (rows, bytes int) {
	for _, d := range e.Foreign {
		if d.Kind != Missing {
			rows++
			bytes += d.Bytes()
		}
	}
	return rows, bytes
}

// unexplained returns the rows that a plan deletes and that neither etcd's history nor a record of what others wrote
// accounts for.
func (e Evidence) unexplained(p *Plan) []Row {
	switch {
	case e.WentBack || !e.Known && !e.Untouched:
		return p.Deletes
	case e.Proven || len(e.Foreign) == 0:
		return nil
	}
	// What etcd says of that revision may be another history: what it knows nothing of is not others' work for sure.
	other := make(map[string]struct{}, len(e.Foreign))
	for _, d := range e.Foreign {
		if d.Kind != Missing {
			other[d.Key] = struct{}{}
		}
	}
	var rows []Row
	for _, r := range p.Deletes {
		if _, ok := other[r.Key]; ok {
			rows = append(rows, r)
		}
	}
	return rows
}

// Foreign lists how a table differs from the one that the mirror left, in the byte order of the keys: what others
// wrote. Have is as it is now, Want as it was left.
func Foreign(found, left *Table) []Difference {
	var p Plan
	for folded, was := range left.rows {
		is, ok := found.rows[folded]
		switch {
		case !ok:
			p.Inserts = append(p.Inserts, *was)
		case is.ID != was.ID: // another row in its place
			p.Deletes, p.Inserts = append(p.Deletes, *is), append(p.Inserts, *was)
		case *is != *was:
			p.Updates = append(p.Updates, Update{*is, *was})
		}
	}
	for folded, is := range found.rows {
		if _, ok := left.rows[folded]; !ok {
			p.Deletes = append(p.Deletes, *is)
		}
	}
	return p.Differences()
}
