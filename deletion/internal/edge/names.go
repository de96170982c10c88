package edge

import (
	"context"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// NamesIn reads the keys of databases and tables, and not what lies below tables that are on record.
func NamesIn(ctx context.Context, st *kv.Etcd) (*kv.Snapshot, error) {
	records, err := st.Fetch(ctx, 0, kv.Below(csskey.Fold))
	if err != nil {
		return nil, err
	}
	var known []kv.Span
	for _, e := range records.Range(kv.Below(csskey.Fold)) {
		if _, table, ok := csskey.Split(e.Value); ok && table != "" {
			known = append(known, kv.Below(csskey.Of(e.Value)))
		}
	}
	have, _, err := st.LoadAround(ctx, records.Revision, belowTable, known, kv.Below(csskey.Of(csskey.Databases)))
	return have, err
}

// belowTable leaves out what lies below a table.
func belowTable(p kv.Path) (kv.Span, bool) {
	key := strings.TrimPrefix(string(p), string(csskey.CSS))
	const slashes = 4 // of /DBS/<db>/TABLES/<table>
	end := 0
	for range slashes {
		n := strings.IndexByte(key[end+1:], '/')
		if n < 0 {
			return kv.Span{}, false
		}
		end += 1 + n
	}
	if _, table, ok := csskey.Split(key[:end]); !ok || table == "" {
		return kv.Span{}, false
	}
	return kv.Below(csskey.Of(key[:end])), true
}
