package inbox

import (
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Qserv makes a table in several transactions, and its name READY with the last of them. Who wrote the others does not
// hear that one was overruled, so that the last one has to be, too.

// whole wants a name that becomes READY to have all that was put below it.
func (j judge) whole(_ unit, c change) error {
	if !j.keep(CompletesNames) || !c.isName() || !c.first.There || c.last.Text != string(cssetcd.StatusReady) {
		return nil
	}
	if slices.Contains(j.taken.Halves, Half{c.key, j.have.At(csskey.Of(c.key)).Create}) {
		return overrule(Follows, "an earlier change below %s was overruled, so that it is not complete", c.key)
	}
	return nil
}

// halves returns the names that are not READY and lack something once a unit is overruled.
func (j judge) halves(u unit) (all []Half) {
	for _, name := range u.namesAbove() {
		if !j.have.Shows(kv.Key(csskey.Of(name))) {
			continue // it is removed with what is above it
		}
		if e := j.have.At(csskey.Of(name)); e.Exists() && e.Value != string(cssetcd.StatusReady) {
			all = append(all, Half{name, e.Create})
		}
	}
	return all
}

// namesAbove returns the nearest name above each change, as many as one transaction can look at: what is above that one
// is another matter.
func (u unit) namesAbove() (names []string) {
	for _, c := range u.changes {
		for key := range ancestors(c.key) {
			if !csskey.Parse(key).IsName() {
				continue
			}
			if !slices.Contains(names, key) && len(names) < most.conditions {
				names = append(names, key)
			}
			break
		}
	}
	return names
}

// halves returns the names that lack something after a verdict, of those that did before.
func halves(all []Half, u unit, v verdict) []Half {
	for _, h := range v.halves {
		if !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	if v.reason != "" {
		return all
	}
	return slices.DeleteFunc(all, func(h Half) bool {
		c, ok := u.find(h.Name)
		return ok && (c.removes() || c.creates())
	})
}
