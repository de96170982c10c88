package emptychunks_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/mirror/emptychunks"
)

var (
	unknown = emptychunks.Side{}
	none    = emptychunks.Said(chunkset.Set{})
	setA    = emptychunks.Said(chunkset.MustParse("1-3"))
	setB    = emptychunks.Said(chunkset.MustParse("1-4"))
	all     = []emptychunks.Side{unknown, none, setA, setB}
)

func TestDecide(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what              string
		base, etcd, mysql emptychunks.Side
		both, alone       string // decision where both sides write, and where only etcd is written
	}{
		{"they agree", setA, setA, setA, "nothing", "nothing"},
		{"nobody says anything", unknown, unknown, unknown, "nothing", "nothing"},
		{"none is not unknown", unknown, none, unknown, "write", "write"},
		{"they agree without a record", unknown, setA, setA, "record", "record"},
		{"both forgot", setA, unknown, unknown, "record", "record"},
		{"etcd changed", setA, setB, setA, "write", "write"},
		{"etcd forgot", setA, unknown, setA, "remove", "remove"},
		{"the first set in etcd", unknown, setA, unknown, "write", "write"},
		{"MySQL changed", setA, setA, setB, "take foreign", "write foreign overrules"},
		{"MySQL dropped the table", setA, setA, unknown, "forget foreign", "write foreign overrules"},
		{"the first table in MySQL", unknown, unknown, setA, "take foreign", "nothing"},
		{"both changed", setA, setB, none, "write foreign overrules", "write foreign overrules"},
		{"etcd forgot, MySQL changed", setA, unknown, setB, "take foreign", "remove foreign overrules"},
		{"etcd changed, MySQL dropped", setA, setB, unknown, "write foreign overrules", "write foreign overrules"},
		{"they meet for the first time", unknown, setA, setB, "write foreign overrules", "write foreign overrules"},
	} {
		base := emptychunks.BaseOf(test.base)
		assert.Equal(t, test.both, text(emptychunks.Decide(base, test.etcd, test.mysql, true)), test.what)
		assert.Equal(t, test.alone, text(emptychunks.Decide(base, test.etcd, test.mysql, false)), test.what)
	}
}

// TestTableOfAnEarlierDatabase: what others changed of it before it went is not taken for the next database of the
// name, which would leave out chunks that have rows.
func TestTableOfAnEarlierDatabase(t *testing.T) {
	t.Parallel()
	base := emptychunks.BaseOf(setA)
	base.Earlier = true
	for _, taking := range []bool{false, true} {
		assert.Equal(t, "remove foreign overrules", text(emptychunks.Decide(base, unknown, setB, taking)))
		assert.Equal(t, "remove", text(emptychunks.Decide(base, unknown, setA, taking)))
		assert.Equal(t, "record", text(emptychunks.Decide(base, unknown, unknown, taking)))
		assert.Equal(t, "write foreign overrules", text(emptychunks.Decide(base, setB, none, taking)))
	}
}

// TestRecordOfAnEarlierDatabase: what was being taken from its table, or given to it, says nothing of the next one of
// the name.
func TestRecordOfAnEarlierDatabase(t *testing.T) {
	t.Parallel()
	earlier := emptychunks.BaseOf(setA)
	earlier.Earlier = true
	r := emptychunks.RecordOf(setA)
	assert.Equal(t, earlier, r.Now(unknown, false, true))
	assert.Equal(t, emptychunks.BaseOf(setA), r.Now(setB, true, true), "etcd says something of the next one")
	for _, next := range []emptychunks.Side{setB, unknown} {
		r.Taking, r.Next = true, emptychunks.BaseOf(next)
		assert.Equal(t, earlier, r.Now(unknown, false, true))
		assert.Equal(t, "remove", text(r.Decide(unknown, setA, false, true, true)))
	}
}

// TestTakeThatDidNotHappen: what others took back is off the record, and explains nothing that Go writes later.
func TestTakeThatDidNotHappen(t *testing.T) {
	t.Parallel()
	r := emptychunks.RecordOf(setA)
	r.Taking, r.Next = true, emptychunks.BaseOf(setB)
	assert.Equal(t, "take foreign", text(r.Decide(setA, setB, false, false, true)))
	assert.Equal(t, "record", text(r.Decide(setA, setA, false, false, true)))
	assert.Equal(t, "write", text(r.Decide(none, setA, true, false, true)), "Go wrote, and others nothing that is left")
	assert.Equal(t, "write foreign overrules", text(r.Decide(setA, setB, true, false, true)), "Go wrote it again")
}

func text(d emptychunks.Decision) string {
	s := d.Action.String()
	if d.Foreign {
		s += " foreign"
	}
	if d.Overrules {
		s += " overrules"
	}
	return s
}

// site is both sides with what is on record, and what their writers did since the mirror saw to it last.
type site struct {
	record      emptychunks.OnRecord
	written     bool   // Go wrote to etcd, or a take did, since the record was made
	etcd, mysql string // texts; "?" for unknown
	agreed      string // what both said when they agreed last
	goWrote     bool   // a Go writer wrote to etcd since then
}

func (s site) decide(taking bool) emptychunks.Decision {
	return s.record.Decide(side(s.etcd), side(s.mysql), s.written && s.etcd != "?", false, taking)
}

func side(text string) emptychunks.Side {
	if text == "?" {
		return emptychunks.Side{}
	}
	return emptychunks.Said(chunkset.MustParse(text))
}

func textOf(s emptychunks.Side) string {
	if !s.Known {
		return "?"
	}
	return s.Set.String()
}

// Where a mirror may be killed.
const (
	nowhere   = "" // it is not
	decided   = "before it does what it decided"
	unknowing = "before that is on record"
)

// after does what is decided, up to where the mirror is killed.
func (s site) after(d emptychunks.Decision, killed string) site {
	if d.Action == emptychunks.Nothing {
		return s
	}
	if d.Action == emptychunks.Take || d.Action == emptychunks.Forget {
		s.record, s.written = s.record.Take(side(s.etcd), side(s.mysql)), false
	}
	if killed == decided {
		return s
	}
	switch d.Action {
	case emptychunks.Write, emptychunks.Remove:
		s.mysql = s.etcd
	case emptychunks.Take, emptychunks.Forget:
		s.etcd, s.agreed, s.written, s.goWrote = s.mysql, s.mysql, true, false
	}
	if killed == nowhere {
		s.record, s.agreed, s.written, s.goWrote = emptychunks.RecordOf(side(s.etcd)), s.etcd, false, false
	}
	return s
}

// TestBothSidesMayWrite tries every order of writes on both sides, steps of the mirror, and kills between what it does
// for a step: what a Go writer wrote is never overwritten by what others wrote in MySQL without having seen it; what
// others wrote is undone only where a Go writer wrote, too; and as soon as nobody writes any more, one step makes both
// sides agree and the next one does nothing.
func TestBothSidesMayWrite(t *testing.T) {
	t.Parallel()
	seen, todo := map[site]bool{}, []site{{etcd: "?", mysql: "?", agreed: "?"}}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[s] {
			continue
		}
		seen[s] = true
		d := s.decide(true)
		if s.goWrote && s.etcd != s.agreed && s.etcd != s.mysql && s.etcd != "?" {
			require.NotContains(t, []emptychunks.Action{emptychunks.Take, emptychunks.Forget}, d.Action,
				"%+v: what Go wrote is lost", s)
		}
		require.True(t, s.goWrote || !d.Overrules, "%+v: what others wrote is undone, though Go wrote nothing", s)
		rest := s.after(d, nowhere)
		require.Equal(t, rest.etcd, rest.mysql, "%+v %s", s, text(d))
		require.Equal(t, emptychunks.Nothing, rest.decide(true).Action, "%+v", rest)
		todo = append(todo, rest, s.after(d, decided), s.after(d, unknowing))
		for _, x := range all {
			byGo, byOthers := s, s
			byGo.etcd, byGo.written, byGo.goWrote = textOf(x), true, true
			if s.record.Taking && s.record.Next.Is(x) {
				byGo.agreed = textOf(x) // by itself Go says what the table said
			}
			byOthers.mysql = textOf(x)
			todo = append(todo, byGo, byOthers)
		}
	}
	assert.Greater(t, len(seen), 100, fmt.Sprint(len(seen)))
	t.Log(len(seen), "states")
}

// TestEtcdAloneIsWritten: as soon as etcd has said something, the table says the same; what others made before that
// stays.
func TestEtcdAloneIsWritten(t *testing.T) {
	t.Parallel()
	for _, base := range all {
		for _, etcd := range all {
			for _, mysql := range all {
				s := site{record: emptychunks.RecordOf(base), etcd: textOf(etcd), mysql: textOf(mysql)}
				d := s.decide(false)
				require.NotContains(t, []emptychunks.Action{emptychunks.Take, emptychunks.Forget}, d.Action)
				rest := s.after(d, nowhere)
				if etcd.Known || base.Known {
					require.Equal(t, rest.etcd, rest.mysql, "%+v", s)
				} else {
					require.Equal(t, textOf(mysql), rest.mysql, "%+v", s)
				}
			}
		}
	}
}
