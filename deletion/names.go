package deletion

import (
	"context"
	"strings"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// readAgain is the pause between two attempts to read what there is.
const readAgain = 200 * time.Millisecond

// readNames reads what there is of databases and tables after a registration, until that succeeds: see
// [protocol.Czar.Resynced]. The view had shown since before.
func (r *registrar) readNames(ctx context.Context, id string, since protocol.Revision) {
	for {
		have, err := namesIn(ctx, r.store)
		if err == nil {
			seen := protocol.CzarEvent{
				Kind: protocol.CzarSaw, ID: id, At: have.Revision, Observations: protocol.ObservationsIn(have), Whole: true,
				Since: since,
			}
			select {
			case r.answers <- answer{event: seen}:
			case <-ctx.Done():
			}
			return
		}
		if ctx.Err() == nil {
			r.log.Warn("the names in the catalogue cannot be read after registering; until they are, no query is admitted",
				"err", err)
		}
		select {
		case <-time.After(readAgain):
		case <-ctx.Done():
			return
		}
	}
}

// namesIn reads the keys of databases and tables, and not what lies below tables that are on record.
func namesIn(ctx context.Context, st *kv.Etcd) (*kv.Snapshot, error) {
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
