package deletion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
)

// Status is how far a drop has come, and what it waits for.
type Status struct {
	Name        string           `json:"name"` // "LSST.Object", or "LSST" for a database
	Phase       string           `json:"phase"`
	Incarnation cssetcd.Revision `json:"incarnation"`
	Mark        cssetcd.Revision `json:"mark,omitempty"` // P
	Policy      Policy           `json:"policy"`
	By          string           `json:"by,omitempty"`
	Since       string           `json:"since,omitempty"`        // when it was wanted, by the clock of who wanted it
	Left        time.Duration    `json:"left_ns,omitempty"`      // of the lease that the phase waits for, if it does
	Waiting     []Blocker        `json:"waiting_for,omitempty"`  // czars that have not acknowledged
	Occupied    bool             `json:"tables_first,omitempty"` // a database that waits for drops of its tables
	// a coordinator runs; asked only where a drop waits for nothing else that is known
	Coordinated bool   `json:"coordinated,omitempty"`
	Attempts    int    `json:"attempts,omitempty"` // to remove the data that failed
	Error       string `json:"error,omitempty"`    // why the last one did
	Trouble     string `json:"trouble,omitempty"`  // of the attempt that is under way
}

// The phases of a drop, as a Status tells them.
const (
	PhaseRequested = "requested" // it will be marked when the time of After is over; all goes on as before
	PhaseMarked    = "marked"    // no query begins; it can be cancelled
	PhaseDropping  = "dropping"  // the catalogue has forgotten it; the data are being removed
	PhaseFailed    = "failed"    // likewise, and the last attempt failed; it is tried again
)

// Blocker is a czar that a drop waits for.
type Blocker struct {
	Czar string `json:"czar"` // its id, for evict
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Summary says in a sentence how far the drop is.
func (s Status) Summary() string {
	switch {
	case s.Phase == PhaseRequested && s.Left == 0:
		return "it is due to be marked, and waits for a coordinator; css-sync serve is one"
	case s.Phase == PhaseRequested:
		return fmt.Sprintf("it is marked in %s", s.Left.Round(time.Second))
	case s.Phase == PhaseFailed && s.Trouble != "":
		return fmt.Sprintf("removing the data failed %d times: %s; it is tried again, with trouble: %s", s.Attempts, s.Error,
			s.Trouble)
	case s.Phase == PhaseFailed:
		return fmt.Sprintf("removing the data failed %d times and is tried again: %s", s.Attempts, s.Error)
	case s.Phase == PhaseDropping && s.Trouble != "":
		return "the data are being removed, with trouble: " + s.Trouble
	case s.Phase == PhaseDropping:
		return "the data are being removed"
	}
	var waits []string
	if s.Left > 0 {
		waits = append(waits, fmt.Sprintf("for %s more of the agreed delay", s.Left.Round(time.Second)))
	}
	for _, b := range s.Waiting {
		waits = append(waits, fmt.Sprintf("for czar %s (%s)", b.Name, b.Why))
	}
	if s.Occupied {
		waits = append(waits, "for drops of its tables")
	}
	switch {
	case len(waits) == 0 && s.Coordinated: // only that one knows why
		return "it waits for the coordinator, which is about to go on; if it asks for queries of C++ czars, its log says " +
			"which it waits for"
	case len(waits) == 0:
		return "it waits for a coordinator; css-sync serve is one"
	}
	return "it waits " + strings.Join(waits, ", ")
}

// Drops returns all drops and requests, by name. It asks etcd for the lease of each that waits for one.
func (c *Client) Drops(ctx context.Context) ([]Status, error) {
	f, faults, err := edge.Observer{Store: c.store}.Read(ctx, nil)
	if err == nil {
		err = edge.Joined(faults)
	}
	all := make([]Status, len(f.Requests)+len(f.Drops))
	var asking errgroup.Group
	asking.SetLimit(maxAsked)
	for i, r := range f.Requests {
		asking.Go(func() error { all[i] = c.requested(ctx, r); return nil })
	}
	for i, d := range f.Drops {
		asking.Go(func() error { all[len(f.Requests)+i] = c.status(ctx, f, d); return nil })
	}
	_ = asking.Wait()
	slices.SortStableFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all, failed("list drops", "", err)
}

// maxAsked is how many leases are asked for at a time.
const maxAsked = 16

// Status returns one of them, by its name, a request before a drop. It returns ErrNoDrop. It reads what concerns that
// one only.
func (c *Client) Status(ctx context.Context, name string) (Status, error) {
	const op = "show the drop of"
	n, err := ParseName(name)
	if err != nil {
		return Status{}, failed(op, name, err)
	}
	f, faults, err := edge.Observer{Store: c.store}.ReadOne(ctx, n)
	for _, r := range f.Requests {
		if r.Name == n {
			return c.requested(ctx, r), nil
		}
	}
	for _, d := range f.Drops {
		if d.Name == n {
			return c.status(ctx, f, d), nil
		}
	}
	return Status{}, failed(op, name, cmp.Or(err, edge.Joined(faults), ErrNoDrop))
}

// Begun reports whether a drop or a request is under way that concerns a name: of itself, of the database of a table,
// or of a table of a database.
func (c *Client) Begun(ctx context.Context, name string) (bool, error) {
	n, err := ParseName(name)
	if err != nil {
		return false, err
	}
	have, err := c.store.Fetch(ctx, 0, protocol.BegunReads(n)...)
	if err != nil {
		return false, failed("look for a drop of", name, err)
	}
	return have.Len() > 0, nil
}

func (c *Client) requested(ctx context.Context, r protocol.Requested) Status {
	return Status{
		Name: r.Name.String(), Phase: PhaseRequested, Incarnation: r.Request.Incarnation, Policy: r.Request.Policy,
		By: r.Request.By, Since: r.Request.Since, Left: c.left(ctx, c.store.EtcdKey(csskey.Later(r.Name.Parts()))),
	}
}

func (c *Client) status(ctx context.Context, f protocol.Facts, d protocol.Drop) Status {
	i := d.Intent
	s := Status{
		Name: d.Name.String(), Phase: string(i.Phase), Incarnation: i.Incarnation, Mark: d.Mark, Policy: i.Policy,
		By: i.By, Since: i.Since, Attempts: i.Attempts, Error: i.Error, Trouble: i.Trouble,
	}
	if i.Phase == protocol.Dropping {
		if i.Error != "" {
			s.Phase = PhaseFailed
		}
		return s
	}
	s.Occupied = d.Occupied
	if d.Held {
		s.Left = c.left(ctx, c.store.EtcdKey(csskey.Hold(d.Name.Parts())))
	}
	var coordinator protocol.Coordinator
	for _, id := range coordinator.Blocking(f, d) {
		s.Waiting = append(s.Waiting, blocker(f, d, id))
	}
	if s.Left == 0 && len(s.Waiting) == 0 && !s.Occupied {
		s.Coordinated = c.coordinated(ctx)
	}
	return s
}

// coordinated reports whether a coordinator runs, as far as can be read.
func (c *Client) coordinated(ctx context.Context) bool {
	candidates, err := c.store.Client().Get(ctx, c.store.EtcdKey(csskey.Coordinators)+"/", clientv3.WithPrefix(),
		clientv3.WithCountOnly())
	return err == nil && candidates.Count > 0
}

// blocker says why a czar has not acknowledged.
func blocker(f protocol.Facts, d protocol.Drop, id string) Blocker {
	i := slices.IndexFunc(f.Registrations, func(r protocol.Registered) bool { return r.ID == id })
	if i < 0 {
		return Blocker{Czar: id, Why: "it was registered at the mark"}
	}
	r := f.Registrations[i]
	b := Blocker{Czar: id, Name: r.Record.Name}
	told := r.Heartbeat.Told[d.Name.String()]
	switch n := r.Heartbeat.Running[d.Name.String()]; {
	case r.Ending:
		takes := max(f.Timing.Wait, protocol.Outlasts(r.Fence)).Round(time.Second)
		b.Why = fmt.Sprintf("it does not answer; its registration is being ended, which takes %s in all", takes)
	case !r.Alive:
		b.Why = "it does not answer"
	case n == 1:
		b.Why = "1 query is running on it"
	case n > 1:
		b.Why = fmt.Sprintf("%d queries are running on it", n)
	case told == 1:
		b.Why = "1 query on it was told to end and has not"
	case told > 1:
		b.Why = fmt.Sprintf("%d queries on it were told to end and have not", told)
	case r.Heartbeat.Trouble != "":
		b.Why = "its acknowledgement does not reach etcd: " + r.Heartbeat.Trouble
	case r.Heartbeat.Seen < d.Mark:
		b.Why = fmt.Sprintf("it has said nothing since the mark; without a word for %s it is taken for silent",
			f.Timing.Alive)
	default:
		b.Why = "it is about to acknowledge"
	}
	return b
}

// left returns how long the lease of a key lasts; 0 when it is gone.
func (c *Client) left(ctx context.Context, key string) time.Duration {
	got, err := c.store.Client().Get(ctx, key)
	if err != nil || len(got.Kvs) == 0 {
		return 0
	}
	lease, err := c.store.Client().TimeToLive(ctx, clientv3.LeaseID(got.Kvs[0].Lease))
	if err != nil || lease.TTL < 0 {
		return 0
	}
	return time.Duration(max(lease.TTL, 1)) * time.Second // etcd tells whole seconds, less than one as 0
}

// Czar is a registered czar.
type Czar struct {
	ID     string           `json:"id"`
	Name   string           `json:"name"`
	Since  string           `json:"since,omitempty"`
	Alive  bool             `json:"alive"`
	Ending bool             `json:"ending,omitempty"`
	Seen   cssetcd.Revision `json:"seen"`
}

// Czars returns the registered czars.
func (c *Client) Czars(ctx context.Context) ([]Czar, error) {
	f, faults, err := edge.Observer{Store: c.store}.ReadCzars(ctx)
	if err == nil { // one that cannot be read is listed all the same; drops that cannot are not asked for
		drops := func(f error) bool { return !errors.As(f, new(*protocol.RegistrationError)) }
		err = edge.Joined(slices.DeleteFunc(faults, drops))
	}
	all := []Czar{}
	for _, r := range f.Registrations {
		all = append(all, Czar{r.ID, r.Record.Name, r.Record.Since, r.Alive, r.Ending, r.Heartbeat.Seen})
	}
	return all, failed("list czars", "", err)
}
