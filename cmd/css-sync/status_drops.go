package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

// dropsStatus is how drops stand.
type dropsStatus struct {
	OK      bool           `json:"ok"`
	Error   string         `json:"error,omitempty"` // what could not be read; the rest counts
	Phases  map[string]int `json:"phases"`          // how many there are in each phase that a drop can have
	Longest []dropView     `json:"longest"`         // those that have been waiting longest
}

// mostLongest is how many drops a status tells of.
const mostLongest = 3

// lookAtDrops fills in how drops and czars stand.
func (p *program) lookAtDrops(ctx context.Context, css *cssetcd.Client, s *statusView) error {
	client, err := newDropClient(css)
	if err != nil {
		return err
	}
	drops, err := client.Drops(ctx)
	czars, czarsErr := client.Czars(ctx)
	s.Drops, s.Czars = client.status(ctx, drops), viewCzars(czars)
	if err == nil {
		err = czarsErr // or else both say the same
	}
	if err != nil {
		s.Drops.OK, s.Drops.Error = false, cli.Sentence(err)
	}
	return err
}

func (c *dropClient) status(ctx context.Context, drops []deletion.Status) *dropsStatus {
	v := &dropsStatus{OK: true, Phases: map[string]int{}}
	for _, phase := range dropPhases {
		v.Phases[phase] = 0
	}
	for _, d := range drops {
		v.Phases[d.Phase]++
	}
	drops = slices.Clone(drops)
	slices.SortStableFunc(drops, func(a, b deletion.Status) int { return strings.Compare(a.Since, b.Since) }) // all in UTC
	v.Longest = c.views(ctx, drops[:min(len(drops), mostLongest)])
	return v
}

var dropPhases = []string{deletion.PhaseRequested, deletion.PhaseMarked, deletion.PhaseDropping, deletion.PhaseFailed}

func (d *dropsStatus) facts() (f cli.Facts) {
	if d == nil {
		return nil
	}
	var counts []string
	total := 0
	for _, phase := range dropPhases {
		if n := d.Phases[phase]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, phase))
			total += n
		}
	}
	switch {
	case total > 0:
		f = cli.Facts{{"drops", strings.Join(counts, ", ")}}
	case d.OK:
		f = cli.Facts{{"drops", "none"}}
	}
	if d.Error != "" {
		f = append(f, [2]string{"drops", d.Error})
	}
	for _, v := range d.Longest {
		f = append(f, [2]string{"drop", fmt.Sprintf("%s, %s%s: %s", v.Name, v.Phase, strings.TrimSuffix(v.ago(), " ago"),
			v.Summary)})
	}
	if more := total - len(d.Longest); more > 0 {
		f = append(f, [2]string{"drop", fmt.Sprintf("and %d more; `css-sync drops list` shows all", more)})
	}
	return f
}

// czarFacts counts the registered czars, and names those that do not do well.
func czarFacts(all []czarView) cli.Facts {
	if len(all) == 0 {
		return cli.Facts{{"czars", "none registered"}}
	}
	f := cli.Facts{{"czars", fmt.Sprintf("%d registered", len(all))}}
	for _, c := range all {
		if c.State != czarAlive {
			f = append(f, [2]string{"czar", fmt.Sprintf("%s is %s; its id is %s", c.Name, c.State, c.ID)})
		}
	}
	return f
}
