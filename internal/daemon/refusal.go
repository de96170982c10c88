package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

// MirrorKeys is what the keys about mirrors begin with. Candidates for a mirror have theirs below its name; under the
// name alone stands why the elected one refuses to write, for as long as it does. It is on the lease of that daemon, so
// that it cannot outlive it.
func MirrorKeys(prefix string) string { return prefix + "/mirror/" }

// Refusal is why a daemon writes nothing to MySQL until somebody does something: its form in etcd, and in JSON. The
// zero value is none.
type Refusal struct {
	Mirror string    `json:"mirror"`
	Owner  string    `json:"owner"` // which daemon
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

func (r Refusal) String() string {
	return fmt.Sprintf("since %s the mirror %s writes nothing: %s (%s)", r.Since.UTC().Format(time.RFC3339), r.Mirror,
		r.Reason, r.Owner)
}

func (d *daemon) refusalOf(s mirror.Status) Refusal {
	if s.Phase != mirror.Refused || s.Err == nil {
		return Refusal{}
	}
	return Refusal{Mirror: d.Mirror.Name, Owner: cli.Owner(), Since: s.Since.UTC().Truncate(time.Second),
		Reason: cli.Sentence(s.Err)}
}

// tellRefusals keeps etcd informed of whether the mirror refuses to write. What etcd does not take is tried again.
func (d *daemon) tellRefusals(ctx context.Context, lease clientv3.LeaseID, status func() mirror.Status) {
	var told Refusal
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

func (d *daemon) tell(ctx context.Context, lease clientv3.LeaseID, now Refusal) error {
	ctx, cancel := context.WithTimeout(ctx, d.SessionTTL)
	defer cancel()
	key := MirrorKeys(d.css.Prefix()) + d.Mirror.Name
	if now == (Refusal{}) {
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

// ReadRefusals returns what the daemons of all mirrors refuse.
func ReadRefusals(ctx context.Context, etcd *clientv3.Client, prefix string) ([]Refusal, error) {
	all := []Refusal{} // and not null in JSON
	got, err := etcd.Get(ctx, MirrorKeys(prefix), clientv3.WithPrefix())
	if err != nil {
		return all, err
	}
	for _, kv := range got.Kvs {
		name := strings.TrimPrefix(string(kv.Key), MirrorKeys(prefix))
		if strings.Contains(name, "/") {
			continue // a candidate
		}
		var r Refusal
		if err := json.Unmarshal(kv.Value, &r); err != nil {
			r = Refusal{Reason: string(kv.Value)} // of another version of this program
		}
		r.Mirror = name
		all = append(all, r)
	}
	return all, nil
}
