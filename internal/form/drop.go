package form

import (
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

// Drop is a drop that is under way.
type Drop struct {
	Name        string             `json:"name"`
	Kind        string             `json:"kind"`
	Phase       string             `json:"phase"`
	Summary     string             `json:"summary"`
	Incarnation cssetcd.Revision   `json:"incarnation"`
	Mark        cssetcd.Revision   `json:"mark,omitempty"`
	Policy      deletion.Policy    `json:"policy"`
	By          string             `json:"by"`
	Since       string             `json:"since"`
	AgeSeconds  *int64             `json:"age_seconds,omitempty"`
	LeftSeconds int64              `json:"left_seconds"`
	WaitingFor  []deletion.Blocker `json:"waiting_for"`
	TablesFirst bool               `json:"tables_first"`
	Attempts    int                `json:"attempts"`
	Error       string             `json:"error,omitempty"`
	Trouble     string             `json:"trouble,omitempty"`
}

// OfDrops returns the forms of some drops; it is not null in JSON.
func OfDrops(all []deletion.Status) []Drop {
	forms := []Drop{}
	for _, s := range all {
		forms = append(forms, OfDrop(s))
	}
	return forms
}

// OfDrop returns the form of a drop.
func OfDrop(s deletion.Status) Drop {
	now := time.Now()
	f := Drop{
		Name: s.Name, Kind: "table", Phase: s.Phase, Summary: s.Summary(), Incarnation: s.Incarnation, Mark: s.Mark,
		Policy: s.Policy,
		By:     s.By, Since: s.Since, LeftSeconds: int64(s.Left / time.Second),
		WaitingFor: s.Waiting, TablesFirst: s.Occupied,
		Attempts: s.Attempts, Error: s.Error, Trouble: s.Trouble,
	}
	if f.WaitingFor == nil {
		f.WaitingFor = []deletion.Blocker{} // and not null in JSON
	}
	if name, err := deletion.ParseName(s.Name); err == nil && name.IsDatabase() {
		f.Kind = "database"
	}
	if since, err := time.Parse(time.RFC3339, s.Since); err == nil {
		age := max(int64(now.Sub(since)/time.Second), 0) // the clock of who wanted it may be ahead
		f.AgeSeconds = &age
	}
	return f
}

// Age returns how old a drop is, for people; "" when that is not known.
func (v Drop) Age() string {
	if v.AgeSeconds == nil {
		return ""
	}
	return (time.Duration(*v.AgeSeconds) * time.Second).String()
}

// Czar is a registered czar.
type Czar struct {
	ID    string           `json:"id"`
	Name  string           `json:"name"`
	Since string           `json:"since"`
	State string           `json:"state"`
	Seen  cssetcd.Revision `json:"seen"`
}

// The states of a registered czar.
const (
	Alive  = "alive"
	Silent = "silent"
	Ending = "ending"
)

// OfCzars returns the forms of some czars; it is not null in JSON.
func OfCzars(all []deletion.Czar) []Czar {
	forms := []Czar{}
	for _, c := range all {
		v := Czar{c.ID, c.Name, c.Since, Alive, c.Seen}
		switch {
		case c.Ending:
			v.State = Ending
		case !c.Alive:
			v.State = Silent
		}
		forms = append(forms, v)
	}
	return forms
}

// Phases are those that a drop can have.
var Phases = []string{deletion.PhaseRequested, deletion.PhaseMarked, deletion.PhaseDropping, deletion.PhaseFailed}
