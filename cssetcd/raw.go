package cssetcd

import (
	"context"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// Raw reads and writes CSS keys as they are, for tools and repairs. It keeps the rules on keys, values, ancestors and spelling; what the
// values mean is left to the caller.
type Raw struct{ c *Client }

// Raw returns access to single keys.
func (c *Client) Raw() Raw { return Raw{c} }

// Get reads one key. It returns ErrNoSuchKey.
func (r Raw) Get(ctx context.Context, key string) (Entry, error) {
	if err := checkKey(key); err != nil {
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

// Put writes one key, and its missing ancestors with the value ”. The key of a database, table or node gets the protection of its
// spelling; writing one that differs in case only from another returns ErrKeyExists. Takes IfStatus, for the old value, and IfRevision.
func (r Raw) Put(ctx context.Context, key, value string, opts ...WriteOption) (Revision, error) {
	put := operation{name: "put", object: key, first: true}
	o, err := writeOptionsOf(opts, "IfStatus", "IfRevision")
	if err == nil {
		err = checkRows([]row{{key, value}})
	}
	if err == nil {
		err = checkRaw(key)
	}
	if err != nil {
		return r.c.do(ctx, put.invalid(err))
	}
	return r.c.do(ctx, put.as(kv.Op{
		Reads: spans(keys(key), ancestorSpans(key), foldSpans(key)),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if err := o.permits(have.At(cssPath(key))); err != nil {
				return kv.Change{}, err
			}
			e := newEdit(have)
			e.set(key, value)
			err := e.spellings(key)
			return e.change, err
		},
	}))
}

// spellings records the spelling of every name in the key.
func (e *edit) spellings(key string) error {
	for _, name := range nameKeys(key) {
		if err := checkSpelling(e.have, name, ErrKeyExists); err != nil {
			return err
		}
		if e.have.At(foldPath(name)).Value != name {
			e.name(name)
		}
	}
	return nil
}

// checkRaw protects what a raw write must not touch: the version is the client's, and the names in the key keep the rules of names.
func checkRaw(key string) error {
	if key == metaKey || strings.HasPrefix(key, metaKey+"/") {
		return &ValueError{key, "the version of the CSS is not written by hand"}
	}
	for _, name := range nameKeys(key) {
		if err := checkNameKey(name); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes a key and everything below it, whatever it is. It returns ErrNoSuchKey. Takes IfStatus, IfRevision, and Unsafe, which it
// needs while czars are registered.
func (r Raw) Delete(ctx context.Context, key string, opts ...WriteOption) (Revision, error) {
	remove := operation{name: "delete", object: key}
	o, err := writeOptionsOf(opts, "IfStatus", "IfRevision", "Unsafe")
	if err == nil {
		err = checkKey(key)
	}
	if err == nil {
		err = checkRaw(key)
	}
	if err != nil {
		return r.c.do(ctx, remove.invalid(err))
	}
	return r.c.do(ctx, remove.as(kv.Op{
		Reads: spans(keys(key), []kv.Span{kv.Below(cssPath(key)), kv.Below(czarRoot)}),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			entry := have.At(cssPath(key))
			if !entry.Exists() && have.Empty(kv.Below(cssPath(key))) {
				return kv.Change{}, ErrNoSuchKey
			}
			if err := o.permits(entry); err != nil {
				return kv.Change{}, err
			}
			e := newEdit(have)
			if err := o.removal(have, e); err != nil {
				return kv.Change{}, err
			}
			e.forget(key)
			return e.change, nil
		},
	}))
}

// nameKeys returns the name keys that a key is or lies below: of its database, table or node. Their spelling is protected.
func nameKeys(key string) []string {
	parts := strings.Split(key, "/")[1:]
	if len(parts) < 2 || parts[1] == packedName {
		return nil
	}
	switch "/" + parts[0] {
	case nodesKey:
		return []string{nodeKey(parts[1])}
	case dbsKey:
		if len(parts) >= 4 && parts[2] == "TABLES" && parts[3] != packedName {
			return []string{dbKey(parts[1]), TableName{parts[1], parts[3]}.key()}
		}
		return []string{dbKey(parts[1])}
	}
	return nil
}

// isNameKey reports whether a key is that of a database, table or node.
func isNameKey(key string) bool {
	names := nameKeys(key)
	return len(names) > 0 && names[len(names)-1] == key
}

func foldSpans(key string) []kv.Span {
	var all []kv.Span
	for _, name := range nameKeys(key) {
		all = append(all, kv.Key(foldPath(name)))
	}
	return all
}

// checkNameKey checks the last part of a name key by the rules for what it names.
func checkNameKey(key string) error {
	name := key[strings.LastIndexByte(key, '/')+1:]
	switch {
	case strings.HasPrefix(key, nodesKey+"/"):
		return checkName("node", name)
	case strings.Contains(key, "/TABLES/"):
		return checkDotless("table", name)
	}
	return checkDBName(name)
}
