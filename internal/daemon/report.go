package daemon

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

// MirrorKeys is what the keys about mirrors begin with. Candidates for a mirror have theirs below its name; under the
// name alone stands the [Report] of the elected one.
func MirrorKeys(prefix string) string { return prefix + "/mirror/" }

// Report is how the daemon that leads a mirror stands: its form in etcd, and in JSON. It is on the lease of that
// daemon, so that there is one only while the daemon is there.
type Report struct {
	Mirror   string           `json:"mirror"`
	Owner    string           `json:"owner"` // which daemon
	Phase    mirror.Phase     `json:"phase"`
	Since    time.Time        `json:"since"` // of the phase
	Troubles []mirror.Trouble `json:"troubles"`
}

func reportOf(name string, s mirror.Status) Report {
	r := Report{Mirror: name, Owner: cli.Owner(), Phase: s.Phase, Since: s.Since.UTC().Truncate(time.Second),
		Troubles: []mirror.Trouble{}}
	for _, t := range s.Troubles {
		t.Since = t.Since.UTC().Truncate(time.Second)
		r.Troubles = append(r.Troubles, t)
	}
	return r
}

// report keeps etcd informed of how a mirror stands. It writes when that changes, and what etcd does not take it tries
// again.
func (d *daemon) report(ctx context.Context, name string, lease clientv3.LeaseID, status func() mirror.Status) {
	var told Report
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if now := reportOf(name, status()); !reflect.DeepEqual(now, told) {
			if err := d.tell(ctx, lease, now); err == nil {
				told = now
			} else if ctx.Err() == nil {
				d.Log.Debug("etcd could not be told how the mirror stands", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (d *daemon) tell(ctx context.Context, lease clientv3.LeaseID, now Report) error {
	ctx, cancel := context.WithTimeout(ctx, d.SessionTTL)
	defer cancel()
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	_, err = d.css.Conn.Put(ctx, MirrorKeys(d.css.Prefix())+now.Mirror, string(text), clientv3.WithLease(lease))
	return err
}

// Leading is which daemons have to do with a mirror.
type Leading struct {
	Mirror  string
	Report  *Report // of the one that leads; nil: it has said nothing yet, or there is none
	Waiting []string
	Leader  string // who leads; "": nobody
}

// ReadLeading returns which daemons have to do with mirrors, by the name of the mirror.
func ReadLeading(ctx context.Context, etcd *clientv3.Client, prefix string) (map[string]Leading, error) {
	all := map[string]Leading{}
	got, err := etcd.Get(ctx, MirrorKeys(prefix), clientv3.WithPrefix(),
		clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
	if err != nil {
		return all, err
	}
	for _, kv := range got.Kvs {
		name, _, isCandidate := strings.Cut(strings.TrimPrefix(string(kv.Key), MirrorKeys(prefix)), "/")
		l := all[name]
		l.Mirror = name
		switch {
		case !isCandidate:
			r := parseReport(name, kv.Value)
			l.Report = &r
		case l.Leader == "":
			l.Leader = string(kv.Value)
		default:
			l.Waiting = append(l.Waiting, string(kv.Value))
		}
		all[name] = l
	}
	return all, nil
}

// parseReport reads a report, also one of another version of this program.
func parseReport(name string, text []byte) Report {
	var r Report
	if err := json.Unmarshal(text, &r); err != nil || r.Phase == "" {
		r.Troubles = []mirror.Trouble{{Code: mirror.Other, Text: string(text), Since: r.Since}}
	}
	r.Mirror = name
	return r
}
