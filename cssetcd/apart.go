package cssetcd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// apart fails where a new catalogue would lie among the keys of another one, or around one: the one would take the
// other's keys for its own. One read finds those that lie directly below what this one would keep; one that lies deeper
// is as little found as one without a version.
func (c *Client) apart(ctx context.Context) error {
	if c.etcd == nil {
		return nil
	}
	for _, outer := range outerPrefixes(c.prefix) {
		st, err := kv.NewEtcd(c.etcd.Client(), outer)
		if err != nil {
			return err
		}
		if have, err := st.Fetch(ctx, 0, keys(versionKey)...); err != nil || have.At(cssPath(versionKey)).Exists() {
			return meets(err, c.prefix, "lies among the keys of the CSS at "+outer)
		}
	}
	var inner []kv.Span
	for _, top := range csskey.Tops {
		inner = append(inner, kv.Key(kv.Path(top)+"/"+cssPath(versionKey)))
	}
	have, err := c.store.Fetch(ctx, 0, inner...)
	if err != nil {
		return err
	}
	for i, span := range inner {
		if have.At(span.From).Exists() {
			return meets(nil, c.prefix, "has the CSS at "+c.prefix+"/"+csskey.Tops[i]+" among its keys")
		}
	}
	return nil
}

func meets(err error, prefix, how string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: prefix %s %s", ErrInvalid, prefix, how)
}

// outerPrefixes are those whose catalogues would keep keys where the prefix is.
func outerPrefixes(prefix string) []string {
	var outer []string
	parts := strings.Split(prefix, "/") // the first is empty
	for i := 2; i < len(parts); i++ {
		if slices.Contains(csskey.Tops, parts[i]) {
			outer = append(outer, strings.Join(parts[:i], "/"))
		}
	}
	return outer
}
