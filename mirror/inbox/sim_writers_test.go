package inbox

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/mirror/plan"
)

// What the writers of the simulator write. Both sides write the same few keys.

func (s *simulation) pick(all ...string) string { return all[s.rnd.IntN(len(all))] }

func (s *simulation) db() string { return csskey.DatabaseKey(s.pick("a", "a", "b", "A")) }

func (s *simulation) table() string { return s.db() + "/TABLES/" + s.pick("t", "t", "u", "U") }

func (s *simulation) chunk() string { return fmt.Sprintf("%s/CHUNKS/%d", s.table(), s.rnd.IntN(4)) }

func (s *simulation) status() string {
	return s.pick("READY", "READY", "DO_NOT_USE", "FAILED:x", "PENDING_DROP:x")
}

// value is some key that is no name, and a value for it.
func (s *simulation) value() (key, value string) {
	value = s.pick("1", "2", "3")
	switch s.rnd.IntN(5) {
	case 0:
		return "/m" + s.pick("", "/x", "/y"), value
	case 1:
		return s.table() + "/" + s.pick("schema", "partitioning"), value
	case 2:
		return s.chunk(), ""
	case 3:
		return s.chunk() + "/REPLICAS", ""
	}
	return csskey.Nodes + "/n1/" + s.pick("host", "port"), value
}

func (s *simulation) name() string {
	return s.pick(s.db(), s.table(), csskey.Nodes+"/"+s.pick("n1", "N1", "n2"))
}

// run carries out an operation of a Go program. It plans nothing where it may not write.
func (s *simulation) run(reads []kv.Span, plan func(have *kv.Snapshot) kv.Change) {
	_, err := kv.Run(context.Background(), s.store, kv.Op{Name: "Go", Reads: reads,
		Plan: func(have *kv.Snapshot) (kv.Change, error) { return plan(have), nil }})
	s.must(err)
	s.checkCatalogue()
}

// goPuts puts keys of which those that are new have what is above them.
func (s *simulation) goPuts(keys, values []string) {
	reads := []kv.Span{}
	for _, key := range keys {
		reads = append(reads, kv.Key(csskey.Of(key)), kv.Key(csskey.Spelling(key)))
		for _, p := range csskey.Parse(key).Intents() {
			reads = append(reads, kv.Key(p))
		}
		for above := range ancestors(key) {
			reads = append(reads, kv.Key(csskey.Of(above)))
		}
	}
	s.run(reads, func(have *kv.Snapshot) (c kv.Change) {
		put := map[string]bool{}
		for i, key := range keys {
			if !goMayPut(have, key, put) {
				continue
			}
			put[key] = true
			c.Puts = append(c.Puts, kv.Put{Path: csskey.Of(key), Value: values[i]})
			if csskey.Parse(key).IsName() && have.At(csskey.Spelling(key)).Value != key {
				c.Puts = append(c.Puts, kv.Put{Path: csskey.Spelling(key), Value: key})
			}
		}
		return c
	})
}

func goMayPut(have *kv.Snapshot, key string, put map[string]bool) bool {
	for above := range ancestors(key) {
		if !put[above] && !have.At(csskey.Of(above)).Exists() {
			return false
		}
	}
	if have.At(csskey.Of(key)).Exists() || !csskey.Parse(key).IsName() {
		return true
	}
	for _, p := range csskey.Parse(key).Intents() {
		if have.At(p).Exists() {
			return false
		}
	}
	return !have.At(csskey.Spelling(key)).Exists()
}

func (s *simulation) goDrops(key string) {
	tree, record := csskey.Of(key), csskey.Spelling(key)
	reads := slices.Concat(kv.Tree(tree), kv.Tree(record), []kv.Span{kv.Below(csskey.Czars)})
	s.run(reads, func(have *kv.Snapshot) (c kv.Change) {
		status := cssetcd.Status(have.At(tree).Value).State()
		_, _, isTable := csskey.Split(key)
		switch {
		case !have.At(tree).Exists():
			return c
		case isTable && !have.Empty(kv.Below(csskey.Czars)) && status != cssetcd.StatePendingDrop:
			return kv.Change{Puts: []kv.Put{{Path: tree, Value: "PENDING_DROP:go"}}}
		}
		span := kv.Below(tree)
		c.Guards = []kv.Guard{{Kind: kv.UnchangedSince, Path: span.From, To: span.To, Revision: have.Revision}}
		c.Deletes = append(kv.Tree(tree), csskey.Forget(have, key)...)
		return c
	})
}

// newTable is the keys of a table with chunks.
func (s *simulation) newTable(chunks int) (keys, values []string) {
	table := s.table()
	add := func(key, value string) { keys, values = append(keys, key), append(values, value) }
	add(table[:strings.LastIndexByte(table, '/')], "")
	add(table, "READY")
	add(table+"/schema", "s")
	add(table+"/CHUNKS", "")
	for i := range chunks {
		chunk := fmt.Sprintf("%s/CHUNKS/%d", table, i)
		add(chunk, "")
		add(chunk+"/REPLICAS", "")
		add(chunk+"/REPLICAS/1", "")
		add(chunk+"/REPLICAS/1/nodeName", "n1")
	}
	return keys, values
}

// goWrites does something that Go programs do.
func (s *simulation) goWrites() {
	switch s.rnd.IntN(10) {
	case 0, 1, 2:
		key, value := s.value()
		s.goPuts([]string{key}, []string{value})
	case 3:
		s.goPuts([]string{s.name()}, []string{s.status()})
	case 4, 5:
		s.goPuts(s.newTable(s.rnd.IntN(3)))
	case 6, 7:
		s.goDrops(s.name())
	case 8:
		key, _ := s.value()
		s.goDrops(key)
	case 9:
		p := s.pick(string(csskey.Czars)+"/q", string(csskey.Intent("a", "t")), string(csskey.Intent("b", "")))
		s.run([]kv.Span{kv.Key(kv.Path(p))}, func(have *kv.Snapshot) kv.Change {
			if have.At(kv.Path(p)).Exists() {
				return kv.Change{Deletes: []kv.Span{kv.Key(kv.Path(p))}}
			}
			return kv.Change{Puts: []kv.Put{{Path: kv.Path(p)}}}
		})
	}
}

// sqlWrites carries out a foreign transaction.
func (s *simulation) sqlWrites() {
	x := &sqlTxn{server: s.sql, conn: 1 + s.rnd.Int64N(4)}
	for range 1 + s.rnd.IntN(3) {
		s.statement(x)
	}
	switch {
	case s.late == nil && s.rnd.IntN(8) == 0:
		s.late = s.beginLate()
	case s.late != nil && s.rnd.IntN(3) == 0:
		s.late.commit(s)
	}
}

// lateTxn is a foreign transaction that has done its one statement and commits later than others that began after it:
// its row of the inbox has a smaller id than some that were decided on.
type lateTxn struct {
	id, at     int64
	key, value string
	row, above plan.Row
}

const lateConn = 9

func (s *simulation) beginLate() *lateTxn {
	s.sql.clock++
	l := &lateTxn{id: s.sql.nextRow, at: s.sql.clock}
	s.sql.nextRow++
	l.key, l.value = s.value()
	l.row, l.above = l.rows(s.sql)
	return l
}

func (l *lateTxn) rows(sql *server) (row, above plan.Row) {
	row, _ = sql.row(l.key)
	above, _ = sql.row(l.key[:strings.LastIndexByte(l.key, '/')])
	return row, above
}

// commit carries the transaction out, unless somebody wrote what it has locked: then it was rolled back before.
func (l *lateTxn) commit(s *simulation) {
	s.late = nil
	row, above := l.rows(s.sql)
	if row != l.row || above != l.above || slices.ContainsFunc(s.sql.inbox, func(r Row) bool {
		return r.ID > l.id && strings.EqualFold(r.Key, l.key)
	}) {
		return
	}
	if len(s.sql.inbox) > 0 && s.sql.inbox[len(s.sql.inbox)-1].ID > l.id {
		s.seen["a transaction commits late"]++
	}
	x := &sqlTxn{server: s.sql, conn: lateConn, late: l}
	x.set(l.key, l.value)
}

func (s *simulation) statement(x *sqlTxn) {
	switch s.rnd.IntN(14) {
	case 0, 1, 2:
		x.set(s.value())
	case 3:
		x.set(s.name(), s.status())
	case 4, 5:
		s.sqlTable(x, s.rnd.IntN(3))
	case 6:
		s.sqlTable(x, 10+s.rnd.IntN(20))
	case 7, 8:
		x.drop(s.name())
	case 9:
		key, _ := s.value()
		x.drop(key)
	case 10: // what no CSS holds
		x.set(s.pick("/DBS/a/TABLES/no name", "/m/\x00", "/css_meta", csskey.Databases), s.pick("x", "\x00"))
	case 11: // a table of which one key is no good
		s.sqlTable(x, 12)
		x.set(s.table()+"/CHUNKS/5/x", "\x00")
	case 12: // a database with tables
		db := s.db()
		x.set(db, "READY")
		x.set(db+"/TABLES", "")
		for i := range s.rnd.IntN(40) {
			x.set(fmt.Sprintf("%s/TABLES/t%d", db, i), "READY")
		}
	case 13: // a value of many chunks that are there
		for _, r := range x.tree(s.table()) {
			if strings.HasSuffix(r.Key, "/nodeName") {
				x.set(r.Key, s.pick("n1", "n2"))
			}
		}
	}
}

func (s *simulation) sqlTable(x *sqlTxn, chunks int) {
	keys, values := s.newTable(chunks)
	for i, key := range keys {
		x.set(key, values[i])
	}
}
