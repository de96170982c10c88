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
	base        emptychunks.Base
	etcd, mysql string // texts; "?" for unknown
	goWrote     bool   // what etcd says was written by a Go writer since the sides agreed, and is something else
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

// after does what is decided; crashed: before it went on record.
func (s site) after(d emptychunks.Decision, crashed bool) site {
	switch d.Action {
	case emptychunks.Nothing:
		return s
	case emptychunks.Write, emptychunks.Remove:
		s.mysql = s.etcd
	case emptychunks.Take, emptychunks.Forget:
		s.etcd = s.mysql
	}
	if !crashed {
		s.base, s.goWrote = emptychunks.BaseOf(side(s.etcd)), false
	}
	return s
}

// TestBothSidesMayWrite tries every order of writes on both sides, steps of the mirror, and crashes between a write and
// its record: what a Go writer wrote is never overwritten by what others wrote in MySQL without having seen it, and as
// soon as nobody writes any more, one step makes both sides agree and the next one does nothing.
func TestBothSidesMayWrite(t *testing.T) {
	t.Parallel()
	seen, todo := map[site]bool{}, []site{{etcd: "?", mysql: "?"}}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[s] {
			continue
		}
		seen[s] = true
		d := emptychunks.Decide(s.base, side(s.etcd), side(s.mysql), true)
		if s.goWrote && s.etcd != s.mysql && s.etcd != "?" {
			require.NotContains(t, []emptychunks.Action{emptychunks.Take, emptychunks.Forget}, d.Action,
				"%+v: what Go wrote is lost", s)
		}
		rest := s.after(d, false)
		require.Equal(t, rest.etcd, rest.mysql, "%+v %s", s, text(d))
		require.Equal(t, emptychunks.Nothing,
			emptychunks.Decide(rest.base, side(rest.etcd), side(rest.mysql), true).Action, "%+v", rest)
		todo = append(todo, rest, s.after(d, true))
		for _, x := range all {
			todo = append(todo, site{s.base, textOf(x), s.mysql, !s.base.Is(x)},
				site{s.base, s.etcd, textOf(x), s.goWrote})
		}
	}
	assert.Greater(t, len(seen), 100, fmt.Sprint(len(seen)))
}

// TestEtcdAloneIsWritten: as soon as etcd has said something, the table says the same; what others made before that
// stays.
func TestEtcdAloneIsWritten(t *testing.T) {
	t.Parallel()
	for _, base := range all {
		for _, etcd := range all {
			for _, mysql := range all {
				s := site{base: emptychunks.BaseOf(base), etcd: textOf(etcd), mysql: textOf(mysql)}
				d := emptychunks.Decide(s.base, etcd, mysql, false)
				require.NotContains(t, []emptychunks.Action{emptychunks.Take, emptychunks.Forget}, d.Action)
				rest := s.after(d, false)
				if etcd.Known || base.Known {
					require.Equal(t, rest.etcd, rest.mysql, "%+v", s)
				} else {
					require.Equal(t, textOf(mysql), rest.mysql, "%+v", s)
				}
			}
		}
	}
}
