package cssetcd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Raw reads and writes CSS keys as they are, for tools and repairs. It keeps the rules on keys, values, ancestors and
// spelling; what the values mean is left to the caller.
type Raw struct{ c *Client }

// Raw returns access to single keys.
func (c *Client) Raw() Raw { return Raw{c} }

// Get reads one key. It returns ErrNoSuchKey.
func (r Raw) Get(ctx context.Context, key string) (Entry, error) {
	if err := checkAnyKey(key); err != nil {
		return Entry{}, &Error{Op: "get", Object: key, Err: err}
	}
	return read(ctx, r.c, "get", key, keys(key), func(have *kv.Snapshot) (Entry, error) {
		e := have.At(cssPath(key))
		if !e.Exists() {
			return e, ErrNoSuchKey
		}
		return e, nil
	})
}

// Many reads several keys at one revision. Those that are absent are not in the result.
func (r Raw) Many(ctx context.Context, wanted ...string) (map[string]Entry, error) {
	for _, key := range wanted {
		if err := checkAnyKey(key); err != nil {
			return nil, &Error{Op: "get", Object: key, Err: err}
		}
	}
	return read(ctx, r.c, "get", "", keys(wanted...), func(have *kv.Snapshot) (map[string]Entry, error) {
		found := map[string]Entry{}
		for _, key := range wanted {
			if e := have.At(cssPath(key)); e.Exists() {
				found[key] = e
			}
		}
		return found, nil
	})
}

// Children reads the keys directly below a key, by their last part, those of all when it is ""; those without a key of
// their own, which only have keys below them, come with the zero Entry. It returns ErrNoSuchKey when neither the key
// nor anything below it is there. It costs what it returns where names of databases, tables and nodes are listed, or
// what a table has beside chunks, and the read of all that lies below elsewhere.
func (r Raw) Children(ctx context.Context, key string) (map[string]Entry, error) {
	var err error
	if key != "" {
		err = checkAnyKey(key)
	}
	var have *kv.Snapshot
	var found map[string]Entry
	if err == nil {
		have, found, err = r.c.childrenOf(ctx, key)
	}
	if err != nil {
		return nil, &Error{Op: "list", Object: key, Err: err}
	}
	for name := range children(have, key) {
		found[name] = have.At(cssPath(key + "/" + name))
	}
	if e := have.At(cssPath(key + "/" + packedName)); e.Exists() {
		found[packedName] = e
	}
	if len(found) == 0 && (key == "" || !have.At(cssPath(key)).Exists()) {
		return nil, &Error{Op: "list", Object: key, Err: ErrNoSuchKey}
	}
	return found, nil
}

// Put writes one key, and its missing ancestors with an empty value. The key of a database, table or node gets the
// protection of its spelling; writing one that differs in case only from another returns ErrKeyExists. Takes IfStatus,
// for the old value, and IfRevision.
func (r Raw) Put(ctx context.Context, key, value string, opts ...WriteOption) (Revision, error) {
	put := operation{name: "put", object: key, first: true}
	o, err := writeOptionsOf(opts, "IfStatus", "IfRevision")
	if err != nil {
		return r.c.do(ctx, put.withError(err))
	}
	return r.c.do(ctx, put.putting(key, value, func(have *kv.Snapshot) error {
		return o.permits(have, keyThing(key))
	}))
}

// Create writes one key that is not there, and else as Put does. It returns ErrKeyExists.
func (r Raw) Create(ctx context.Context, key, value string) (Revision, error) {
	create := operation{name: "create", object: key, first: true}
	return r.c.do(ctx, create.putting(key, value, func(have *kv.Snapshot) error {
		if have.At(cssPath(key)).Exists() {
			return ErrKeyExists
		}
		return nil
	}))
}

// CreateUnique writes a key that consists of prefix and ten digits, one more than the highest such key, and returns it.
// Whoever else does the same gets another.
func (r Raw) CreateUnique(ctx context.Context, prefix, value string) (key string, rev Revision, err error) {
	create := operation{name: "create unique", object: prefix, first: true}
	if err := errors.Join(checkRows([]row{{prefix + "0000000000", value}}), checkRaw(prefix+"0000000000")); err != nil {
		_, err = r.c.do(ctx, create.withError(err))
		return "", 0, err
	}
	parent := parentKey(prefix + "0")
	mark := prefix[len(parent)+1:]
	rev, err = r.c.do(ctx, create.as(kv.Op{
		Reads: spans(ancestorSpans(prefix+"0"), []kv.Span{kv.Below(cssPath(parent))}),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			id, err := nextID(have, parent, mark, 1)
			if err != nil {
				return kv.Change{}, err
			}
			key = prefix + formatID(id)
			more := spellingSpans(key)
			for _, span := range more {
				if !have.Shows(span) {
					return kv.Change{}, kv.Need(more)
				}
			}
			e := newEdit(have)
			e.set(key, value)
			err = e.spellings(key)
			return e.change, err
		},
	}))
	return key, rev, err
}

// putting writes one key as it is, when its old entry permits that.
func (o operation) putting(key, value string, permits func(*kv.Snapshot) error) operation {
	if err := CheckEntry(key, value); err != nil {
		return o.withError(err)
	}
	return o.as(kv.Op{
		Reads: spans(keys(key), ancestorSpans(key), spellingSpans(key)),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if err := permits(have); err != nil {
				return kv.Change{}, err
			}
			e := newEdit(have)
			e.set(key, value)
			err := e.spellings(key)
			return e.change, err
		},
	})
}

// spellings records the spelling of every name in the key, and refuses to create one that is still being dropped.
func (e *edit) spellings(key string) error {
	for _, name := range nameKeys(key) {
		for _, intent := range intents(name) {
			if e.have.At(intent).Exists() && !e.have.At(cssPath(name)).Exists() {
				return fmt.Errorf("%w: %s", ErrDropPending, name)
			}
		}
		if err := checkSpelling(e.have, name, ErrKeyExists); err != nil {
			return err
		}
		if e.have.At(foldPath(name)).Value != name {
			e.name(name)
		}
	}
	return nil
}

// checkAnyKey lets pass what may be a key, even one that breaks the rules and must be looked at or removed.
func checkAnyKey(key string) error {
	if !strings.HasPrefix(key, "/") {
		return fmt.Errorf("%w: key %.80q: must begin with a slash", ErrInvalid, key)
	}
	return nil
}

func checkNotMeta(key string) error {
	if inMeta(key) {
		return &ValueError{key, "the version of the CSS is not written by hand"}
	}
	return nil
}

// checkRaw protects what a raw write must not touch: the version is the client's, and the names in the key keep the
// rules of names.
func checkRaw(key string) error {
	if err := checkNotMeta(key); err != nil {
		return err
	}
	for _, name := range nameKeys(key) {
		if err := checkNameKey(name); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes a key and everything below it, whatever it is. It returns ErrNoSuchKey. Takes IfStatus and IfRevision,
// which look at the key and not at those below, IfAtMostBelow, and Unsafe, which it needs while czars are registered.
func (r Raw) Delete(ctx context.Context, key string, opts ...WriteOption) (Revision, error) {
	_, rev, err := r.DeleteCounted(ctx, key, opts...)
	return rev, err
}

// DeleteCounted is Delete, and tells how many keys it removed.
func (r Raw) DeleteCounted(ctx context.Context, key string, opts ...WriteOption) (keysRemoved int, rev Revision,
	err error) {
	remove := operation{name: "delete", object: key}
	o, err := writeOptionsOf(opts, "IfStatus", "IfRevision", "IfAtMostBelow", "Unsafe")
	if err == nil {
		err = checkAnyKey(key)
	}
	if err == nil {
		err = checkNotMeta(key)
	}
	if err != nil {
		rev, err = r.c.do(ctx, remove.withError(err))
		return 0, rev, err
	}
	below := kv.Below(cssPath(key))
	rev, err = r.c.do(ctx, remove.as(kv.Op{
		Reads: spans(keys(key), spellingTree(key), []kv.Span{below, kv.Below(czarRoot)}),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			entry, others := have.At(cssPath(key)), 0
			for range have.Range(below) {
				others++
			}
			switch {
			case !entry.Exists() && others == 0:
				return kv.Change{}, ErrNoSuchKey
			case o.below != nil && others > *o.below:
				return kv.Change{}, &KeysBelowError{others}
			}
			if err := o.permits(have, keyThing(key)); err != nil {
				return kv.Change{}, err
			}
			e := newEdit(have)
			if err := o.removal(have, e); err != nil {
				return kv.Change{}, err
			}
			if keysRemoved = others; entry.Exists() {
				keysRemoved++
			}
			switch {
			case o.below != nil && others == 0:
				e.change.Guards = append(e.change.Guards, kv.Guard{Kind: kv.NothingBelow, Path: cssPath(key)})
			case o.below != nil: // more may have come
				e.change.Guards = append(e.change.Guards,
					kv.Guard{Kind: kv.UnchangedSince, Path: below.From, To: below.To, Revision: have.Revision})
			}
			e.forget(key)
			return e.change, nil
		},
	}))
	if err != nil {
		return 0, 0, err
	}
	return keysRemoved, rev, nil
}

// spellingSpans are what spellings reads.
func spellingSpans(key string) []kv.Span {
	var all []kv.Span
	for _, name := range nameKeys(key) {
		all = append(all, kv.Key(foldPath(name)))
		for _, intent := range intents(name) {
			all = append(all, kv.Key(intent))
		}
	}
	return spans(all)
}

// checkNameKey checks the last part of a name key by the rules for what it names.
func checkNameKey(key string) error {
	switch k := csskey.Parse(key); k.Kind {
	case csskey.Node:
		return checkName("node", k.Name)
	case csskey.Table:
		return checkDotless("table", k.Name)
	default:
		return checkDBName(k.DB)
	}
}
