package cssetcd

import (
	"fmt"

	"github.com/qserv/css-etcd/internal/kv"
)

// thing is what the conditions on a write are about.
type thing struct {
	key string    // holds its status
	own []kv.Span // all of its keys, but for the chunks of a table, and the tables of a database
}

func databaseThing(name string) thing { return thing{dbKey(name), databaseSpans(name)} }
func tableThing(n TableName) thing    { return thing{n.key(), tableSpans(n)[1:]} }
func nodeThing(name string) thing     { return thing{nodeKey(name), nodeSpans(name)} }

// keyThing is a single key, whatever it stands for.
func keyThing(key string) thing { return thing{key, keys(key)} }

// reads are what permits looks at.
func (o writeOptions) reads(t thing) []kv.Span {
	if o.revision == nil {
		return keys(t.key)
	}
	return spans(keys(t.key), t.own)
}

// permits checks the conditions.
func (o writeOptions) permits(have *kv.Snapshot, t thing) error {
	e := have.At(cssPath(t.key))
	if o.status != nil && Status(e.Value) != *o.status {
		return mismatch(e, ErrStatusMismatch, "it is %q and not %q", e.Value, *o.status)
	}
	if o.revision == nil {
		return nil
	}
	if last := have.Changed(t.own...); last != *o.revision {
		return mismatch(e, ErrRevisionMismatch, "it was changed at revision %d and not %d", last, *o.revision)
	}
	return nil
}

func mismatch(e kv.Entry, err error, format string, args ...any) error {
	if !e.Exists() {
		return fmt.Errorf("%w: it is not there", err)
	}
	return fmt.Errorf("%w: "+format, append([]any{err}, args...)...)
}

// guards keep what permits has looked at from changing before the write: keys that are read one by one are guarded in
// any case.
func (o writeOptions) guards(t thing) []kv.Guard {
	if o.revision == nil {
		return nil
	}
	var guards []kv.Guard
	for _, span := range t.own {
		if !span.Single() {
			guards = append(guards, kv.Guard{Kind: kv.UnchangedSince, Path: span.From, To: span.To, Revision: *o.revision})
		}
	}
	return guards
}
