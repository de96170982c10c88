package inbox

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/mirror/plan"
)

// server is a MySQL server of the simulator: kvData with its unique index and its foreign key, the inbox with what the
// triggers note, and the row of the state. A transaction is carried out when it commits.
type server struct {
	rows    map[int32]plan.Row
	places  map[string]int32 // by the key in lower case
	nextID  int32
	inbox   []Row // by id
	nextRow int64
	clock   int64 // how many rows of the inbox were ever written
	applied kv.Revision
	term    int
	records []Conflict
}

func newServer() *server {
	s := &server{rows: map[int32]plan.Row{}, places: map[string]int32{}, nextID: 1, nextRow: 1, applied: 1}
	for _, r := range []plan.Row{{ID: 1}, {ID: 2, Parent: 1, Key: "/DBS"}, {ID: 3, Parent: 1, Key: "/NODES"}} {
		s.insert(r)
	}
	return s
}

func (s *server) clone() *server {
	c := *s
	c.rows, c.places = maps.Clone(s.rows), maps.Clone(s.places)
	c.inbox, c.records = slices.Clone(s.inbox), slices.Clone(s.records)
	return &c
}

func (s *server) insert(r plan.Row) {
	s.rows[r.ID], s.places[strings.ToLower(r.Key)] = r, r.ID
	s.nextID = max(s.nextID, r.ID+1)
}

func (s *server) remove(r plan.Row) {
	delete(s.rows, r.ID)
	delete(s.places, strings.ToLower(r.Key))
}

// row returns what the unique index has for a key, in whatever spelling.
func (s *server) row(key string) (plan.Row, bool) {
	id, ok := s.places[strings.ToLower(key)]
	return s.rows[id], ok
}

func (s *server) hasChildren(id int32) bool {
	for _, r := range s.rows {
		if r.Parent == id {
			return true
		}
	}
	return false
}

// tree returns the rows of a key and of what is below it, those below first; always in the same order, so that a seed
// is one world.
func (s *server) tree(key string) (all []plan.Row) {
	for _, r := range s.rows {
		if r.Key == key || below(r.Key, key) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b plan.Row) int {
		return cmp.Or(len(b.Key)-len(a.Key), strings.Compare(a.Key, b.Key))
	})
	return all
}

// sqlTxn is a foreign transaction that is being carried out.
type sqlTxn struct {
	*server
	conn int64
	late *lateTxn // nil, or what it is the end of
}

func (x *sqlTxn) note(before, after Value, r plan.Row) {
	id, at := x.nextRow, x.clock+1
	if x.late != nil {
		id, at = x.late.id, x.late.at
	} else {
		x.nextRow++
		x.clock++
	}
	x.inbox = append(x.inbox, Row{ID: id, Conn: x.conn, KvID: r.ID, Parent: r.Parent, Key: r.Key, Before: before,
		After: after, At: time.Unix(at, 0).UTC()})
	slices.SortFunc(x.inbox, func(a, b Row) int { return int(a.ID - b.ID) })
}

// set is INSERT ... ON DUPLICATE KEY UPDATE.
func (x *sqlTxn) set(key, value string) {
	if r, ok := x.row(key); ok {
		if r.Value != value {
			was := Value{true, r.Value}
			r.Value = value
			x.rows[r.ID] = r
			x.note(was, Value{true, value}, r)
		}
		return
	}
	above, ok := x.row(key[:strings.LastIndexByte(key, '/')])
	if !ok {
		return
	}
	r := plan.Row{ID: x.nextID, Parent: above.ID, Key: key, Value: value}
	x.insert(r)
	x.note(Value{}, Value{true, value}, r)
}

// drop deletes a key with all that is below it, as upstream does.
func (x *sqlTxn) drop(key string) {
	for _, r := range x.tree(key) {
		if r.ID > 3 && !x.hasChildren(r.ID) {
			x.remove(r)
			x.note(Value{true, r.Value}, Value{}, r)
		}
	}
}

var (
	errUnexpected = errors.New("a step met what it did not expect")
	errOvertaken  = errors.New("a step wrote what others had written")
	errFenced     = errors.New("another mirror has taken over")
)

// step carries out a step of the mirror, or nothing of it.
func (s *server) step(term int, was kv.Revision, to kv.Revision, p *plan.Plan, done IDs, conflicts []Conflict) error {
	if s.term != term || s.applied != was {
		return errFenced
	}
	x := s.clone()
	written, err := x.execute(p)
	if err != nil {
		return err
	}
	for _, r := range x.inbox {
		if !done.Has(r.ID) && written[strings.ToLower(r.Key)] {
			return errOvertaken
		}
	}
	x.inbox = slices.DeleteFunc(x.inbox, func(r Row) bool { return done.Has(r.ID) })
	x.records = append(x.records, conflicts...)
	x.applied = to
	*s = *x
	return nil
}

func (s *server) execute(p *plan.Plan) (written map[string]bool, err error) {
	written = map[string]bool{}
	check := func(ok bool, key string) {
		written[strings.ToLower(key)] = true
		if !ok {
			err = errUnexpected
		}
	}
	for _, id := range p.Unhook {
		r := s.rows[id]
		r.Parent = 0
		s.rows[id] = r
	}
	remove := func(rows []plan.Row) {
		for _, r := range rows {
			check(s.rows[r.ID] == r && !s.hasChildren(r.ID), r.Key)
			s.remove(r)
		}
	}
	remove(p.Cleared())
	for _, r := range p.Inserts {
		_, taken := s.row(r.Key)
		_, above := s.rows[r.Parent]
		_, used := s.rows[r.ID]
		check(!taken && above && !used, r.Key)
		s.insert(r)
	}
	for _, u := range p.Updates {
		check(s.rows[u.Old.ID] == u.Old, u.New.Key)
		s.remove(u.Old)
		s.insert(u.New)
	}
	remove(p.Doomed())
	return written, err
}
