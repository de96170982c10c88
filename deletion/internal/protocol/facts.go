package protocol

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Facts are what a coordinator has read, at one revision.
type Facts struct {
	At              Revision     `json:"at"`
	History         string       `json:"history,omitempty"`
	Drops           []Drop       `json:"drops,omitempty"`    // in the order of their names
	Requests        []Requested  `json:"requests,omitempty"` // likewise
	Unasked         []Found      `json:"unasked,omitempty"`  // marked by hand: there is no intent
	Registrations   []Registered `json:"registrations,omitempty"`
	RegistrationsAt Revision     `json:"registrations_at"` // when those were read
	Timing          Timing       `json:"timing"`
}

// Found is what was found at a name, and at the database that it is in.
type Found struct {
	Name           Name     `json:"name"`
	Entry          Entry    `json:"entry"`
	Status         string   `json:"status,omitempty"`
	Parent         Revision `json:"parent,omitempty"` // ModRevision of the database of a table
	ParentDropping bool     `json:"parent_dropping,omitempty"`
}

// Drop is a drop as it was found.
type Drop struct {
	Found
	Intent Intent `json:"intent"`
	// P: CreateRevision of the intent, and the ModRevision of the key that was marked
	Mark         Revision `json:"mark"`
	Modified     Revision `json:"modified"` // of the intent
	Held         bool     `json:"held,omitempty"`
	Occupied     bool     `json:"occupied,omitempty"`     // of a database: drops or requests of its tables have not ended
	Untracked    string   `json:"untracked,omitempty"`    // what a QueryTracker waits for; "" for nothing
	Present      []string `json:"present,omitempty"`      // registered at P, and still
	Acknowledged []string `json:"acknowledged,omitempty"` // P
}

// Requested is a request as it was found.
type Requested struct {
	Found
	Request  Request  `json:"request"`
	Modified Revision `json:"modified"`
	Due      bool     `json:"due,omitempty"`
	Marked   bool     `json:"marked,omitempty"` // there is an intent
}

// Registered is a registration as it was found.
type Registered struct {
	ID        string        `json:"id"`
	Modified  Revision      `json:"modified"`
	Ending    bool          `json:"ending,omitempty"`
	Fence     time.Duration `json:"fence"` // H of that czar
	Alive     bool          `json:"alive,omitempty"`
	Record    Registration  `json:"record,omitzero"`
	Heartbeat Heartbeat     `json:"-"` // for people
}

// FactReads is what [ReadFacts] needs to see besides the keys of names.
func FactReads() []kv.Span {
	return append(CzarReads(), kv.Below(csskey.Drops))
}

// CzarReads are what the registrations in facts are made of.
func CzarReads() []kv.Span {
	return append(RegistrationContextReads(), kv.Below(csskey.Czars), kv.Below(csskey.Alive))
}

// OneReads are the keys below which all lies that facts of one drop, or request, are made of, but for the keys of names
// and AcksReads.
func OneReads(n Name) []kv.Span {
	reads := append(CzarReads(), kv.Key(n.Intent()), kv.Key(n.hold()), kv.Key(n.request()), kv.Key(n.later()))
	if db, table := n.Parts(); table == "" {
		return append(reads, kv.Below(csskey.TableIntents(db)), kv.Below(csskey.TableRequests(db)))
	}
	return append(reads, kv.Key(n.Database().Intent()))
}

// BegunReads are where drops and requests are that concern a name: its own, those of its database and those of its
// tables.
func BegunReads(n Name) []kv.Span {
	db, table := n.Parts()
	reads := []kv.Span{kv.Key(n.Intent()), kv.Key(n.request())}
	if table == "" {
		return append(reads, kv.Below(csskey.TableIntents(db)), kv.Below(csskey.TableRequests(db)))
	}
	return append(reads, kv.Key(n.Database().Intent()), kv.Key(n.Database().request()))
}

// AcksReads are the acknowledgements of the drop that OneReads show, and the keys of the name and of its database.
func AcksReads(n Name, have *kv.Snapshot) []kv.Span {
	reads := []kv.Span{kv.Key(n.Path()), kv.Below(acksOf(have.At(n.Intent()).Create))}
	if !n.IsDatabase() {
		reads = append(reads, kv.Key(n.Database().Path()))
	}
	return reads
}

// NamesIn returns the names whose keys [ReadFacts] needs to see, databases of tables included: those of drops and
// requests, and those that were seen with a mark.
func NamesIn(have *kv.Snapshot, marked []Name) []Name {
	all := map[Name]bool{}
	add := func(n Name) { all[n], all[n.Database()] = true, true }
	for p := range have.Range(kv.Below(csskey.Drops)) {
		if db, table, _, ok := csskey.Dropped(p); ok {
			add(nameOf(db, table))
		}
	}
	for _, n := range marked {
		add(n)
	}
	return slices.Sorted(maps.Keys(all))
}

func nameOf(db, table string) Name {
	if table == "" {
		return DatabaseName(db)
	}
	return TableName(db, table)
}

// ReadFacts makes facts of what was read: have shows FactReads, entries are the keys of NamesIn at the same revision.
// Records that cannot be read are left out and returned as faults.
func ReadFacts(have *kv.Snapshot, entries map[Name]kv.Entry) (f Facts, faults []error) {
	r := reader{have: have, entries: entries}
	f = Facts{At: have.Revision, History: have.At(csskey.History).Value, RegistrationsAt: have.Revision,
		Timing: DefaultTiming}
	if g, err := ReadRegistrationContext(have); err != nil {
		r.faults = append(r.faults, err)
	} else {
		f.Timing = g.Timing
	}
	for p, e := range have.Range(kv.Below(csskey.Drops)) {
		db, table, request, ok := csskey.Dropped(p)
		switch n := nameOf(db, table); {
		case !ok:
		case request:
			r.request(&f, n, e)
		default:
			r.drop(&f, n, e)
		}
	}
	slices.SortFunc(f.Drops, func(a, b Drop) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for _, n := range slices.Sorted(maps.Keys(entries)) {
		if found := r.found(n); found.Entry.Standing == DropPending && !have.At(n.Intent()).Exists() {
			f.Unasked = append(f.Unasked, found)
		}
	}
	f.Registrations = r.registrations()
	return f, r.faults
}

type reader struct {
	have    *kv.Snapshot
	entries map[Name]kv.Entry
	faults  []error
}

func (r *reader) found(n Name) Found {
	f := Found{Name: n, Entry: EntryOf(r.entries[n], r.have.Revision), Status: r.entries[n].Value}
	if !n.IsDatabase() {
		f.Parent = r.entries[n.Database()].Mod
		f.ParentDropping = r.have.At(n.Database().Intent()).Exists()
	}
	return f
}

func (r *reader) drop(f *Facts, n Name, e kv.Entry) {
	i, err := decode[Intent](n.Intent(), e)
	if err != nil {
		r.faults = append(r.faults, err)
		return
	}
	d := Drop{Found: r.found(n), Intent: i, Mark: e.Create, Modified: e.Mod, Held: r.have.At(n.hold()).Exists()}
	if db, table := n.Parts(); table == "" {
		d.Occupied = !r.have.Empty(kv.Below(csskey.TableIntents(db))) || !r.have.Empty(kv.Below(csskey.TableRequests(db)))
	}
	if i.Phase == Marked {
		d.Present = PresentAt(r.have, e.Create)
		for p := range r.have.Range(kv.Below(acksOf(e.Create))) {
			d.Acknowledged = append(d.Acknowledged, last(p))
		}
	}
	f.Drops = append(f.Drops, d)
}

func (r *reader) request(f *Facts, n Name, e kv.Entry) {
	q, err := decode[Request](n.request(), e)
	if err != nil {
		r.faults = append(r.faults, err)
		return
	}
	f.Requests = append(f.Requests, Requested{
		Found: r.found(n), Request: q, Modified: e.Mod,
		Due: !r.have.At(n.later()).Exists(), Marked: r.have.At(n.Intent()).Exists(),
	})
}

func (r *reader) registrations() (all []Registered) {
	for p, e := range r.have.Range(kv.Below(csskey.Czars)) {
		id := czarIDOf(p)
		g := Registered{ID: id, Modified: e.Mod}
		record, err := decode[Registration](p, e)
		if err == nil {
			g.Ending, g.Record = record.Ending, record
			g.Fence, err = record.fence()
		}
		if err != nil { // it is waited for as long as any can be
			r.faults = append(r.faults, &RegistrationError{id, err})
			g.Fence, g.Record.Fence = longestLease, longestLease.String()
		}
		if heartbeat := r.have.At(alivePath(id)); heartbeat.Exists() {
			g.Alive = true
			g.Heartbeat, _ = decode[Heartbeat](alivePath(id), heartbeat) // for people only
		}
		all = append(all, g)
	}
	return all
}

// RegistrationError says which registration cannot be read.
type RegistrationError struct {
	ID  string
	Err error
}

func (e *RegistrationError) Error() string {
	return fmt.Sprintf("the registration %s: %v", e.ID, e.Err)
}
func (e *RegistrationError) Unwrap() error { return e.Err }

// PresentAt returns the ids of the registrations that a snapshot shows and that were there at a mark: those that were
// created before it. No id is used twice, and those that have gone since hold nothing up.
func PresentAt(have *kv.Snapshot, mark Revision) (ids []string) {
	for p, e := range have.Range(kv.Below(csskey.Czars)) {
		if e.Create <= mark {
			ids = append(ids, czarIDOf(p))
		}
	}
	return ids
}

// czarIDOf returns the id of a registration: all that follows, whoever wrote it.
func czarIDOf(p kv.Path) string { return strings.TrimPrefix(string(p), string(csskey.Czars)+"/") }

func last(p kv.Path) string { return string(p[strings.LastIndexByte(string(p), '/')+1:]) }
