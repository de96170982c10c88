package cssetcd

import (
	"context"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// childrenOf reads the keys directly below a key, around what lies deeper. It also returns the names below which there
// is something: they have perhaps no key of their own.
func (c *Client) childrenOf(ctx context.Context, key string) (*kv.Snapshot, map[string]Entry, error) {
	found := map[string]Entry{}
	spans := kv.Tree(cssPath(key))
	if key == "" {
		spans = spans[1:]
	}
	if c.etcd == nil {
		have, err := c.fetch(ctx, spans)
		return have, found, err
	}
	spans = append(spans, keys(versionKey)...)
	have, err := c.atOneRevision(func() (*kv.Snapshot, error) {
		known, at, err := c.recorded(ctx, key)
		if err != nil {
			return nil, err
		}
		expected := expectedBelow(key, known)
		have, met, err := c.etcd.LoadAround(ctx, at, belowChildren(key), expected, spans...)
		if err != nil {
			return nil, err
		}
		there, err := c.etcd.Any(ctx, at, expected...)
		if err != nil {
			return nil, err
		}
		for i, hole := range expected {
			if there[i] {
				met = append(met, hole)
			}
		}
		for _, hole := range met {
			if child, _ := childOf(key, cssKey(hole.From)); child != packedName {
				found[child] = Entry{}
			}
		}
		return have, checkVersion(have)
	})
	return have, found, err
}

// belowChildren leaves out what lies below the keys directly below a key, but for the version, which each read looks
// at.
func belowChildren(key string) kv.Holes {
	return func(p kv.Path) (kv.Span, bool) {
		child, ok := childOf(key, cssKey(p))
		if !ok || cssKey(p) == versionKey {
			return kv.Span{}, false
		}
		return kv.Below(cssPath(key + "/" + child)), true
	}
}

// childOf returns the name directly below key that a deeper key lies below.
func childOf(key, deeper string) (child string, ok bool) {
	rest, ok := strings.CutPrefix(deeper, key+"/")
	if !ok {
		return "", false
	}
	child, _, ok = strings.Cut(rest, "/")
	return child, ok
}

// expectedBelow returns what lies below the children of a key that names on record, and the form of the catalogue, let
// expect.
func expectedBelow(key string, known []string) []kv.Span {
	known = append(known, dbsKey, nodesKey, partitioningKey, metaKey)
	if n, rest, ok := tableOf(cssPath(key)); ok && rest == "" {
		known = append(known, n.chunksKey())
	}
	seen := map[string]bool{packedName: true, "": true}
	var all []kv.Span
	for _, name := range known {
		if child, ok := childOf(key, name+"/"); ok && !seen[child] {
			seen[child] = true
			all = append(all, kv.Below(cssPath(key+"/"+child)))
		}
	}
	return all
}
