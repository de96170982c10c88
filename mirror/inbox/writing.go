package inbox

import (
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// dropStatus is what a removal that has to wait for queries puts.
const dropStatus = "PENDING_DROP:kvData"

// writing turns verdicts into one change of etcd, with what is kept beside the catalogue. That what is put and what is
// read has not changed since is guarded by whoever runs it.
type writing struct {
	judge
	change kv.Change
	above  map[string]bool // pinned keys that were put
	nodes  map[string]bool
}

func newWriting(j judge) *writing {
	return &writing{judge: j, above: map[string]bool{}, nodes: map[string]bool{}}
}

func (w *writing) write(u unit, v verdict) {
	if v.reason != "" {
		return
	}
	for _, c := range v.puts {
		w.put(u, c.key, c.last.Text)
	}
	for _, c := range v.drops {
		if cssetcd.Status(w.have.At(csskey.Of(c.key)).Value).State() != cssetcd.StatePendingDrop {
			w.put(u, c.key, dropStatus)
		}
	}
	for _, c := range v.removes {
		w.remove(c.key)
	}
}

func (w *writing) put(u unit, key, value string) {
	for above := range ancestors(key) {
		if pinned(above) && !w.have.At(csskey.Of(above)).Exists() && !w.above[above] {
			if _, own := u.find(above); !own {
				w.above[above] = true
				w.change.Puts = append(w.change.Puts, kv.Put{Path: csskey.Of(above)})
			}
		}
	}
	e := w.have.At(csskey.Of(key))
	w.change.Puts = append(w.change.Puts, kv.Put{Path: csskey.Of(key), Value: value})
	if !e.Exists() && csskey.Parse(key).IsName() && w.have.At(csskey.Spelling(key)).Value != key {
		w.change.Puts = append(w.change.Puts, kv.Put{Path: csskey.Spelling(key), Value: key})
	}
	if node := csskey.NodeOfReplica(key, value); node != "" && !w.nodes[node] {
		w.nodes[node] = true
		w.change.Puts = append(w.change.Puts, kv.Put{Path: csskey.Ref + "/" + kv.Path(node), Touch: true})
	}
}

// remove removes a key with all that is below it.
func (w *writing) remove(key string) {
	p := csskey.Of(key)
	e := w.have.At(p)
	if !e.Exists() && w.have.Empty(kv.Below(p)) {
		return // both sides removed it
	}
	w.change.Deletes = append(w.change.Deletes, kv.Tree(p)...)
	w.change.Deletes = append(w.change.Deletes, csskey.Forget(w.have, key)...)
	if w.keep(GuardsBelow) {
		span := kv.Below(p)
		w.change.Guards = append(w.change.Guards,
			kv.Guard{Kind: kv.UnchangedSince, Path: span.From, To: span.To, Revision: w.have.Revision})
	}
	if _, _, queried := csskey.Split(key); queried && e.Exists() && w.keep(NeedsNoCzar) {
		guard := kv.Guard{Kind: kv.NothingBelow, Path: csskey.Czars}
		if !slices.Contains(w.change.Guards, guard) {
			w.change.Guards = append(w.change.Guards, guard)
		}
	}
}
