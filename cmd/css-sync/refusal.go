package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

// mirrorKeys is what the keys about mirrors begin with. Candidates for a mirror have theirs below its name; under the
// name alone stands why the elected one refuses to write, for as long as it does. It is on the lease of that daemon, so
// that it cannot outlive it.
func mirrorKeys(prefix string) string { return prefix + "/mirror/" }

// refusal is why a daemon writes nothing to MySQL until somebody does something: its form in etcd, and in JSON. The
// zero value is none.
type refusal struct {
	Mirror string    `json:"mirror"`
	Owner  string    `json:"owner"` // which daemon
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

func (d *daemon) refusalOf(s mirror.Status) refusal {
	if s.Phase != mirror.Refused || s.Err == nil {
		return refusal{}
	}
	return refusal{Mirror: d.flags.mirror.name, Owner: cli.Owner(), Since: s.Since.UTC().Truncate(time.Second),
		Reason: cli.Sentence(s.Err)}
}

// tellRefusals keeps etcd informed of whether the mirror refuses to write. What etcd does not take is tried again.
func (d *daemon) tellRefusals(ctx context.Context, lease clientv3.LeaseID, status func() mirror.Status) {
	var told refusal
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if now := d.refusalOf(status()); now != told {
			if err := d.tell(ctx, lease, now); err == nil {
				told = now
			} else if ctx.Err() == nil {
				d.Log.Debug("etcd could not be told whether the mirror refuses to write", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (d *daemon) tell(ctx context.Context, lease clientv3.LeaseID, now refusal) error {
	ctx, cancel := context.WithTimeout(ctx, d.flags.sessionTTL)
	defer cancel()
	key := mirrorKeys(d.css.Prefix()) + d.flags.mirror.name
	if now == (refusal{}) {
		_, err := d.css.Conn.Delete(ctx, key)
		return err
	}
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	_, err = d.css.Conn.Put(ctx, key, string(text), clientv3.WithLease(lease))
	return err
}

// readRefusals returns what the daemons of all mirrors refuse.
func readRefusals(ctx context.Context, etcd *clientv3.Client, prefix string) ([]refusal, error) {
	all := []refusal{} // and not null in JSON
	got, err := etcd.Get(ctx, mirrorKeys(prefix), clientv3.WithPrefix())
	if err != nil {
		return all, err
	}
	for _, kv := range got.Kvs {
		name := strings.TrimPrefix(string(kv.Key), mirrorKeys(prefix))
		if strings.Contains(name, "/") {
			continue // a candidate
		}
		var r refusal
		if err := json.Unmarshal(kv.Value, &r); err != nil {
			r = refusal{Reason: string(kv.Value)} // of another version of this program
		}
		r.Mirror = name
		all = append(all, r)
	}
	return all, nil
}
