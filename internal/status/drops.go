package status

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
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

// NewDrops returns the forms of some drops; it is not null in JSON.
func NewDrops(all []deletion.Status) []Drop {
	views := []Drop{}
	for _, s := range all {
		views = append(views, NewDrop(s))
	}
	return views
}

// NewDrop returns the form of a drop.
func NewDrop(s deletion.Status) Drop {
	now := time.Now()
	v := Drop{
		Name: s.Name, Kind: "table", Phase: s.Phase, Summary: s.Summary(), Incarnation: s.Incarnation, Mark: s.Mark,
		Policy: s.Policy,
		By:     s.By, Since: s.Since, LeftSeconds: int64(s.Left / time.Second),
		WaitingFor: s.Waiting, TablesFirst: s.Occupied,
		Attempts: s.Attempts, Error: s.Error, Trouble: s.Trouble,
	}
	if v.WaitingFor == nil {
		v.WaitingFor = []deletion.Blocker{} // and not null in JSON
	}
	if name, err := deletion.ParseName(s.Name); err == nil && name.IsDatabase() {
		v.Kind = "database"
	}
	if since, err := time.Parse(time.RFC3339, s.Since); err == nil {
		age := max(int64(now.Sub(since)/time.Second), 0) // the clock of who wanted it may be ahead
		v.AgeSeconds = &age
	}
	return v
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

// NewCzars returns the forms of some czars; it is not null in JSON.
func NewCzars(all []deletion.Czar) []Czar {
	views := []Czar{}
	for _, c := range all {
		v := Czar{c.ID, c.Name, c.Since, Alive, c.Seen}
		switch {
		case c.Ending:
			v.State = Ending
		case !c.Alive:
			v.State = Silent
		}
		views = append(views, v)
	}
	return views
}

// Drops is how drops stand.
type Drops struct {
	OK      bool           `json:"ok"`
	Error   string         `json:"error,omitempty"` // what could not be read; the rest counts
	Phases  map[string]int `json:"phases"`          // how many there are in each phase that a drop can have
	Longest []Drop         `json:"longest"`         // those that have been waiting longest
}

// mostLongest is how many drops a status tells of.
const mostLongest = 3

// lookAtDrops fills in how drops and czars stand.
func (s *Status) lookAtDrops(ctx context.Context, css *cssetcd.Client) error {
	client, err := deletion.NewClient(css)
	if err != nil {
		return err
	}
	drops, err := client.Drops(ctx)
	czars, czarsErr := client.Czars(ctx)
	s.Drops, s.Czars = countDrops(drops), NewCzars(czars)
	if err == nil {
		err = czarsErr // or else both say the same
	}
	if err != nil {
		s.Drops.OK, s.Drops.Error = false, cli.Sentence(err)
	}
	return err
}

func countDrops(drops []deletion.Status) *Drops {
	v := &Drops{OK: true, Phases: map[string]int{}}
	for _, phase := range Phases {
		v.Phases[phase] = 0
	}
	for _, d := range drops {
		v.Phases[d.Phase]++
	}
	drops = slices.Clone(drops)
	slices.SortStableFunc(drops, func(a, b deletion.Status) int { return strings.Compare(a.Since, b.Since) }) // all in UTC
	v.Longest = NewDrops(drops[:min(len(drops), mostLongest)])
	return v
}

// Phases are those that a drop can have.
var Phases = []string{deletion.PhaseRequested, deletion.PhaseMarked, deletion.PhaseDropping, deletion.PhaseFailed}
