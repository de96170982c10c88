package inbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

var (
	// ErrDecided says that rows were decided on by somebody else since the inbox was read: it has to be read anew.
	ErrDecided = errors.New("the inbox was decided on by another mirror")
	// ErrWentBack says that kvData shows an older revision than when its inbox was last decided on, as after a restore of
	// MySQL from a backup: rows that were decided on may have come back.
	ErrWentBack = errors.New("kvData and its inbox are older than what was decided on")
	// ErrHistory says that etcd holds another history of the catalogue than kvData shows.
	ErrHistory = errors.New("etcd holds another history of the catalogue")
)

// Snapshot is what one statement reads in MySQL.
type Snapshot struct {
	Applied kv.Revision // of etcd, that kvData showed
	Rows    []Row       // of the inbox, in the order of their ids
}

// WentBack reports whether the inbox is older than what was decided on last, or was set back to that state since. Then
// it has to be discarded, even where it is empty: the ids of rows to come may be those of rows that were decided on.
func (s Snapshot) WentBack(t Taken) bool {
	return s.Applied < t.Applied || s.Applied == t.Applied && !s.holds(t)
}

// holds reports whether all is there that was decided on, or begun with. So it is until a step was taken, and a step
// moves the revision on.
func (s Snapshot) holds(t Taken) bool {
	live := t.Within(s.Rows)
	return live.IDs.Len() == t.IDs.Len() && len(live.Claims) == len(t.Claims)
}

// row returns the row of an id.
func (s Snapshot) row(id int64) (Row, bool) {
	i, ok := slices.BinarySearchFunc(s.Rows, id, func(r Row, id int64) int { return cmp.Compare(r.ID, id) })
	if !ok {
		return Row{}, false
	}
	return s.Rows[i], true
}

// Undecided returns the rows that nobody has decided on.
func (s Snapshot) Undecided(t Taken) []Row { return s.undecided(t, s.WentBack(t)) }

func (s Snapshot) undecided(t Taken, wentBack bool) []Row {
	if wentBack {
		return s.Rows
	}
	return t.undecided(s.Rows)
}

func (t Taken) undecided(rows []Row) (left []Row) {
	for _, r := range rows {
		if !t.decided(r) {
			left = append(left, r)
		}
	}
	return left
}

// Decision is what one transaction of etcd does with rows that nobody has decided on.
type Decision struct {
	Mirror  string // whose inbox it is
	History string // of the catalogue
	Rules

	shot  Snapshot
	seen  Taken // as it was read, before the snapshot
	live  Taken
	batch []unit
	queue []unit // what comes after the batch, as it was grouped
	rows  []Row  // that were grouped
	since int    // how many rows had been decided on then

	wentBack bool // and nothing but to discard it can be done
	discard  bool
}

// Decide returns the decision on the next rows of the inbox, as many as one transaction takes. What was decided on
// before must have been read before the snapshot was: else rows that left the inbox meanwhile would be decided on
// again.
func (s Snapshot) Decide(mirror, history string, t Taken, r Rules) Decision {
	d := Decision{Mirror: mirror, History: history, Rules: r, shot: s, wentBack: s.WentBack(t)}
	return d.grouped(t, t.Within(s.Rows), s.undecided(t, d.wentBack))
}

// regroupAt is down to how many rows they are grouped anew for each transaction. Above it, a group serves until half of
// its rows are decided on: grouping costs all rows, and while others write much they are many.
var regroupAt = 1000

// Next returns the decision on the rows that come after those of this one, which was carried out and left Taken so. It
// is Decide, but for what of the grouping it need not do again: rows that were too many for one transaction stay apart
// for longer.
func (d Decision) Next(t Taken) Decision {
	for len(d.queue) > 0 && t.decided(d.queue[0].rows[0]) { // overruled with the claims of its names
		d.queue = d.queue[1:]
	}
	left := len(d.rows) - (t.IDs.Len() - d.since)
	if left <= regroupAt || 2*left <= len(d.rows) || len(d.queue) == 0 {
		return d.grouped(t, t.counted(), t.undecided(d.rows))
	}
	return d.from(t, t.counted(), d.queue)
}

// Empty reports whether there is nothing to decide on.
func (d Decision) Empty() bool { return len(d.batch) == 0 && !d.discard }

func (d Decision) grouped(seen, live Taken, rows []Row) Decision {
	d.rows, d.since = rows, live.IDs.Len()
	return d.from(seen, live, unitsFor(rows, live, d.Rules))
}

func (d Decision) from(seen, live Taken, units []unit) Decision {
	d.seen, d.live = seen, live
	n := batchOf(units)
	d.batch, d.queue = units[:n], units[n:]
	return d
}

// Reads is what of etcd it has to see.
func (d Decision) Reads() []kv.Span {
	all := []kv.Span{kv.Key(Path(d.Mirror)), kv.Key(csskey.History), kv.Key(csskey.Of(csskey.Version)),
		kv.Below(csskey.Czars)}
	seen := map[kv.Span]bool{}
	add := func(span kv.Span) {
		if !seen[span] {
			seen[span] = true
			all = append(all, span)
		}
	}
	for _, u := range d.batch {
		keys, trees := u.reads()
		for _, p := range keys {
			add(kv.Key(p))
		}
		for _, p := range trees {
			add(kv.Key(p))
			add(kv.Below(p))
		}
	}
	return all
}

// Change works out the transaction on etcd as it is, and what Taken is after it, but for its revision. It fails with
// ErrDecided, ErrWentBack, ErrHistory, cssetcd.ErrVersionMismatch, or with a [kv.Need].
func (d Decision) Change(have *kv.Snapshot) (kv.Change, Taken, error) {
	if err := d.permits(have); err != nil {
		return kv.Change{}, Taken{}, err
	}
	if d.discard {
		next := d.discarded(have.Revision)
		return kv.Change{Puts: []kv.Put{{Path: Path(d.Mirror), Value: next.Format()}}}, next, nil
	}
	next := Taken{IDs: d.live.IDs, Newest: d.live.Newest, Overruled: slices.Clone(d.live.Overruled),
		Revisions: d.live.Revisions, Applied: d.shot.Applied, Claims: slices.Clone(d.live.Claims),
		Halves: slices.Clone(d.live.Halves)}
	j := judge{Rules: d.Rules, have: have, applied: d.shot.Applied, taken: d.live, refused: d.refused()}
	j.spoiled = j.spoils()
	w := newWriting(j)
	for _, u := range d.batch {
		v, err := j.decide(u)
		if err != nil {
			return kv.Change{}, Taken{}, err
		}
		next = next.with(u, v, have.Revision)
		w.write(u, v)
	}
	if !d.keep(KnowsOverruled) {
		next.Overruled = nil
	}
	c := w.change
	c.Puts = append(c.Puts, kv.Put{Path: Path(d.Mirror), Value: next.Format()})
	return c, next, nil
}

// permits returns why nothing can be decided.
func (d Decision) permits(have *kv.Snapshot) error {
	switch {
	case have.At(csskey.History).Value != d.History:
		return ErrHistory
	case have.At(csskey.Of(csskey.Version)).Value != cssetcd.Version:
		return cssetcd.ErrVersionMismatch
	case d.keep(DecidedOnce) && have.At(Path(d.Mirror)).Mod != d.seen.At:
		return ErrDecided
	case d.keep(NeedsNewerInbox) && d.wentBack && !d.discard:
		return fmt.Errorf("%w: it shows revision %d, and %d was shown then", ErrWentBack, d.shot.Applied, d.seen.Applied)
	}
	return nil
}

// refused returns the keys of overruled rows that are still in the inbox.
func (d Decision) refused() map[string]bool {
	keys := map[string]bool{}
	for _, o := range d.live.Overruled {
		for _, id := range o.IDs.All() {
			if r, ok := d.shot.row(id); ok && d.live.decided(r) {
				keys[r.Key] = true
			}
		}
	}
	return keys
}

// with returns what is known after a verdict.
func (t Taken) with(u unit, v verdict, at kv.Revision) Taken {
	all := IDsOfRows(u.rows)
	switch {
	case v.reason != "":
		t.Overruled = noted(t.Overruled, Overruling{all, KindConflict, v.reason, v.detail, at})
	case u.claims:
		for _, c := range u.changes {
			if c.isName() {
				t.Claims = append(t.Claims, c.key)
			}
		}
		return t
	case len(v.deferred) > 0:
		detail := "queries may be running, so that it became a drop"
		t.Overruled = noted(t.Overruled, Overruling{IDsOf(v.deferred...), KindRequest, Queried, detail, at})
	}
	t.IDs, t.Newest, t.Halves = t.IDs.Or(all), newest(t.Newest, u.rows), halves(t.Halves, u, v)
	for _, r := range u.rows {
		t.Claims = slices.DeleteFunc(slices.Clone(t.Claims), func(key string) bool { return key == r.Key })
	}
	return t
}

// newest returns when the last of some rows was written, or another time that is later.
func newest(at time.Time, rows []Row) time.Time {
	for _, r := range rows {
		if r.At.After(at) {
			at = r.At
		}
	}
	return at
}

// mostDetails is how many rulings say more than their reason: what is kept of the inbox has to fit into a request.
const mostDetails = 500

// noted returns rulings with one more. What was overruled for the same is one.
func noted(all []Overruling, o Overruling) []Overruling {
	if len(all) >= mostDetails {
		o.Detail = ""
	}
	same := func(n Overruling) bool {
		return n.Kind == o.Kind && n.Reason == o.Reason && n.Detail == o.Detail && n.Revision == o.Revision
	}
	if i := slices.IndexFunc(all, same); i >= 0 {
		all[i].IDs = all[i].IDs.Or(o.IDs)
		return all
	}
	return append(all, o)
}

// Discard returns the decision that overrules all rows of the inbox, whatever was decided before: where MySQL or etcd
// was set back, nobody knows what they were written on.
func (s Snapshot) Discard(mirror, history string, t Taken) Decision {
	return Decision{Mirror: mirror, History: history, shot: s, seen: t, discard: true}
}

// discarded is what Discard comes to.
func (d Decision) discarded(at kv.Revision) Taken {
	ids := IDsOfRows(d.shot.Rows)
	why := Overruling{ids, KindDrift, SetBack, "MySQL or etcd was set back to an older state", at}
	return Taken{IDs: ids, Newest: newest(time.Time{}, d.shot.Rows), Overruled: []Overruling{why},
		Applied: d.shot.Applied, Halves: d.seen.Halves}
}
