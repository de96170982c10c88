package status

import (
	"context"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

// Drops is how drops stand.
type Drops struct {
	OK      bool           `json:"ok"`
	Error   string         `json:"error,omitempty"` // what could not be read; the rest counts
	Phases  map[string]int `json:"phases"`          // how many there are in each phase that a drop can have
	Longest []form.Drop    `json:"longest"`         // those that have been waiting longest
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
	s.Drops, s.Czars = countDrops(drops), form.OfCzars(czars)
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
	for _, phase := range form.Phases {
		v.Phases[phase] = 0
	}
	for _, d := range drops {
		v.Phases[d.Phase]++
	}
	drops = slices.Clone(drops)
	slices.SortStableFunc(drops, func(a, b deletion.Status) int { return strings.Compare(a.Since, b.Since) }) // all in UTC
	v.Longest = form.OfDrops(drops[:min(len(drops), mostLongest)])
	return v
}
