package inbox

import (
	"fmt"
	"slices"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// What guards speak of, beside the keys.
const (
	theTaken = allKeys + iota
	theRecord
	theCzars
	belowName
)

// guard is a condition of a transaction of etcd.
type guard struct {
	on uint8
	at uint8 // the revision that the key must have been changed at, or, of a range, at the latest
}

// guardsOf returns the guards of a change, with those that package kv derives: every key read on its own and every key
// put has not changed since it was seen. What never changes in this check is left out.
func guardsOf(c kv.Change, reads []kv.Span, have *kv.Snapshot) (all []guard) {
	for _, g := range c.Guards {
		all = append(all, explicit(g)...)
	}
	seen := map[kv.Path]bool{}
	derive := func(p kv.Path) {
		if !seen[p] {
			seen[p] = true
			all = append(all, derived(p, have.At(p).Mod)...)
		}
	}
	for _, span := range reads {
		if span.Single() {
			derive(span.From)
		}
	}
	for _, p := range c.Puts {
		derive(p.Path)
	}
	return all
}

func explicit(g kv.Guard) []guard {
	switch {
	case g.Kind == kv.NothingBelow && g.Path == csskey.Czars:
		return []guard{{on: theCzars}}
	case g.Kind == kv.UnchangedSince && g.To != "":
		for k := range keyOf {
			if (kv.Span{From: g.Path, To: g.To}) == kv.Below(csskey.Of(keyOf[k])) {
				if k == aName {
					return []guard{{on: belowName, at: uint8(g.Revision)}}
				}
				return nil // nothing ever is below
			}
		}
	}
	panic(fmt.Sprintf("the check knows no guard %+v", g))
}

var neverChanges = []kv.Path{
	csskey.History, csskey.Of(csskey.Version), csskey.Of(csskey.Databases), csskey.Intent("n", ""),
	csskey.Spelling(keyOf[below1]), csskey.Spelling(keyOf[apart1]),
}

func derived(p kv.Path, at kv.Revision) []guard {
	if k := slices.IndexFunc(keyOf[:], func(key string) bool { return csskey.Of(key) == p }); k >= 0 {
		return []guard{{on: uint8(k), at: uint8(at)}}
	}
	switch {
	case p == Path(mirrorName):
		return []guard{{on: theTaken, at: uint8(at)}}
	case p == csskey.Spelling(keyOf[aName]):
		return []guard{{on: theRecord, at: uint8(at)}}
	case slices.Contains(neverChanges, p):
		return nil
	}
	panic(fmt.Sprintf("the check does not guard %s", p))
}

// holds reports whether etcd is as a guard wants it.
func (e *etcd) holds(g guard) bool {
	switch g.on {
	case theTaken:
		return e.taken.at == g.at
	case theRecord:
		return e.keys[aName].create == g.at
	case theCzars:
		return !e.czar
	case belowName:
		return e.keys[below1].mod <= g.at
	}
	return e.keys[g.on].mod == g.at
}

// commits reports whether a transaction commits on etcd as it is.
func (e *etcd) commits(a *answer, v variant) bool {
	return !slices.ContainsFunc(a.guards, func(g guard) bool { return v.guards(a, g) && !e.holds(g) })
}

// guards reports whether a guard is there.
func (v variant) guards(a *answer, g guard) bool {
	switch {
	case g.on == theTaken:
		return !v.takenUnguarded
	case g.on >= allKeys:
		return true
	case a.decidesOn.has(int(g.on)):
		return !v.keysUnguarded
	}
	return !v.aboveUnguarded && !v.keysUnguarded
}
