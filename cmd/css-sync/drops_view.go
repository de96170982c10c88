package main

import (
	"context"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

// dropView is the JSON form of a drop that is under way.
type dropView struct {
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

// dropClient is a client of drops with the catalogue that it works on.
type dropClient struct {
	*deletion.Client
	css *cssetcd.Client
}

func newDropClient(css *cssetcd.Client) (*dropClient, error) {
	client, err := deletion.NewClient(css)
	return &dropClient{client, css}, err
}

func (c *dropClient) views(ctx context.Context, all []deletion.Status) []dropView {
	views := []dropView{} // and not null in JSON
	for _, s := range all {
		views = append(views, c.view(ctx, s))
	}
	return views
}

func (c *dropClient) view(ctx context.Context, s deletion.Status) dropView {
	now := time.Now()
	v := dropView{
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

// age returns how old a drop is, for people; "" when that is not known.
func (v dropView) age() string {
	if v.AgeSeconds == nil {
		return ""
	}
	return (time.Duration(*v.AgeSeconds) * time.Second).String()
}

func (v dropView) ago() string {
	if v.AgeSeconds == nil {
		return ""
	}
	return ", " + v.age() + " ago"
}

// czarView is the JSON form of a registered czar.
type czarView struct {
	ID    string           `json:"id"`
	Name  string           `json:"name"`
	Since string           `json:"since"`
	State string           `json:"state"`
	Seen  cssetcd.Revision `json:"seen"`
}

// The states of a registered czar.
const (
	czarAlive  = "alive"
	czarSilent = "silent"
	czarEnding = "ending"
)

func viewCzars(all []deletion.Czar) []czarView {
	views := []czarView{}
	for _, c := range all {
		v := czarView{c.ID, c.Name, c.Since, czarAlive, c.Seen}
		switch {
		case c.Ending:
			v.State = czarEnding
		case !c.Alive:
			v.State = czarSilent
		}
		views = append(views, v)
	}
	return views
}
