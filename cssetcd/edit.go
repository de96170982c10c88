package cssetcd

import (
	"fmt"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/packed"
)

// edit collects what a plan writes. It keeps the rule that every key has its ancestors: those that are missing are put
// with an empty value in the same transaction. Each ancestor is read, and put only when absent, under its guard: a
// blind put could erase a status.
type edit struct {
	have     *kv.Snapshot
	change   kv.Change
	put      map[string]bool // keys
	referred map[string]bool // nodes
}

func newEdit(have *kv.Snapshot) *edit {
	return &edit{have: have, put: map[string]bool{}, referred: map[string]bool{}}
}

// set puts a CSS key and its missing ancestors.
func (e *edit) set(key, value string) {
	e.ancestors(key)
	e.raw(key, value)
}

func (e *edit) ancestors(key string) {
	parent := parentKey(key)
	if parent == "" || e.put[parent] {
		return
	}
	e.ancestors(parent)
	if !e.have.At(cssPath(parent)).Exists() {
		e.raw(parent, "")
	}
}

func (e *edit) raw(key, value string) {
	e.put[key] = true
	e.change.Puts = append(e.change.Puts, kv.Put{Path: cssPath(key), Value: value})
	if node := csskey.NodeOfReplica(key, value); node != "" && !e.referred[node] {
		e.referred[node] = true
		e.refer(node)
	}
}

func (e *edit) setRows(rows []row) {
	for _, r := range rows {
		e.set(r.key, r.value)
	}
}

// name records the exact spelling of a name key.
func (e *edit) name(key string) {
	e.change.Puts = append(e.change.Puts, kv.Put{Path: foldPath(key), Value: key})
}

// nothingBelow keeps what was left behind below a key, by hand or by an older program, from becoming part of what is
// created there.
func (e *edit) nothingBelow(key string) error {
	for p := range e.have.Range(kv.Below(cssPath(key))) {
		return fmt.Errorf("%w: %s, although %s does not; delete it first", ErrKeyExists, cssKey(p), key)
	}
	e.change.Guards = append(e.change.Guards, kv.Guard{Kind: kv.NothingBelow, Path: cssPath(key)})
	return nil
}

// forget deletes a name key with all that lies below it, and the record of its spelling and of the names in it. have
// must show spellingTree(key).
func (e *edit) forget(key string) {
	e.change.Deletes = append(e.change.Deletes, kv.Tree(cssPath(key))...)
	e.change.Deletes = append(e.change.Deletes, csskey.Forget(e.have, key)...)
}

// spellingTree is where the spellings of a key and of the names below it are kept.
func spellingTree(key string) []kv.Span { return kv.Tree(foldPath(key)) }

// refer touches the node, so that it cannot be deleted by someone who did not see this reference.
func (e *edit) refer(node string) {
	e.change.Puts = append(e.change.Puts, kv.Put{Path: refRoot + "/" + kv.Path(node), Touch: true})
}

// setMembers writes fields into the packed key of key, keeping the members it does not know. Plain keys of the same
// fields go, since they would hide the new values. have must show everything below key.
func (e *edit) setMembers(key string, fields map[string]string) error {
	old := e.have.At(cssPath(packedKey(key)))
	p, err := packed.Parse(old.Value)
	if err != nil {
		return &ValueError{packedKey(key), err.Error()}
	}
	if p.Nested != "" {
		return &ValueError{packedKey(key), "member " + p.Nested + " is an object or an array, which writing would lose"}
	}
	for name, value := range fields {
		p.Members[name] = value
		if plain := cssPath(key + "/" + name); e.have.At(plain).Exists() {
			e.change.Deletes = append(e.change.Deletes, kv.Key(plain))
		}
	}
	text := packed.Format(p.Members)
	e.set(packedKey(key), text)
	return checkValue(packedKey(key), text)
}

// parentKey returns the key without its last part; "" for a key of one part.

// ancestorSpans declares the ancestors of a key as read.
func ancestorSpans(key string) []kv.Span {
	var spans []kv.Span
	for p := parentKey(key); p != ""; p = parentKey(p) {
		spans = append(spans, kv.Key(cssPath(p)))
	}
	return spans
}

// spans joins declarations of reads and leaves out repeats.
func spans(lists ...[]kv.Span) []kv.Span {
	var all []kv.Span
	seen := map[kv.Span]bool{}
	for _, list := range lists {
		for _, s := range list {
			if !seen[s] {
				seen[s] = true
				all = append(all, s)
			}
		}
	}
	return all
}

func keys(cssKeys ...string) []kv.Span {
	all := make([]kv.Span, len(cssKeys))
	for i, k := range cssKeys {
		all[i] = kv.Key(cssPath(k))
	}
	return all
}
