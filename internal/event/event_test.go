package event_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/event"
)

// kinds is what happened, in short.
func kinds(events []event.Event) (all []string) {
	for _, e := range events {
		all = append(all, string(e.Event)+" "+e.Mirror+e.Name+" "+e.Code)
	}
	return all
}

func TestEventsOfMirrors(t *testing.T) {
	t.Parallel()
	var m event.Mirrors
	follows := event.Mirror{Name: "a", Follows: true}
	refuses := func(code string) event.Mirror { return event.Mirror{Name: "a", Refused: true, Code: code} }
	brake, packet := refuses("brake"), refuses("packet")
	waits := event.Mirror{Name: "a"}
	conflicts := func(n int) event.Mirror { return event.Mirror{Name: "a", Follows: true, Conflicts: n} }
	for i, step := range []struct {
		now  []event.Mirror
		want []string
	}{
		{nil, nil},
		{[]event.Mirror{waits}, nil},
		{[]event.Mirror{follows}, nil}, // it was never ill
		{[]event.Mirror{brake}, []string{"mirror_refused a brake"}},
		{[]event.Mirror{brake}, nil},
		{[]event.Mirror{waits}, nil},
		{[]event.Mirror{brake}, nil}, // it has tried, and refuses as before
		{[]event.Mirror{packet}, []string{"mirror_refused a packet"}},
		{[]event.Mirror{waits, {Name: "b", Refused: true, Code: "brake"}}, []string{"mirror_refused b brake"}},
		{[]event.Mirror{follows}, []string{"mirror_well a "}},
		{[]event.Mirror{follows}, nil},
		{[]event.Mirror{{Name: "b", Follows: true}}, []string{"mirror_well b "}}, // after this daemon has begun anew
		{[]event.Mirror{{Name: "b", Follows: true}}, nil},
		{[]event.Mirror{conflicts(1)}, []string{"conflict a "}},
		{[]event.Mirror{conflicts(1)}, nil},
		{[]event.Mirror{conflicts(3)}, []string{"conflict a "}},
		{[]event.Mirror{conflicts(2)}, nil},
		{[]event.Mirror{conflicts(3)}, []string{"conflict a "}},
	} {
		assert.Equal(t, step.want, kinds(m.See(step.now)), "step %d", i)
	}
}

func TestDropsThatAreStuck(t *testing.T) {
	t.Parallel()
	var d event.Drops
	marked := event.Drop{Name: "D.T", Mark: 5, Marked: true}
	removing, failing := event.Drop{Name: "D.T", Mark: 5}, event.Drop{Name: "D.T", Mark: 5, Error: "down"}
	next := event.Drop{Name: "D.T", Mark: 9, Marked: true}
	for i, step := range []struct {
		minute int
		now    []event.Drop
		want   []string
	}{
		{0, []event.Drop{marked}, nil},
		{29, []event.Drop{marked}, nil},
		{30, []event.Drop{marked}, []string{"drop_stuck D.T "}},
		{99, []event.Drop{marked}, nil},
		{100, []event.Drop{failing}, nil},
		{140, []event.Drop{failing}, nil}, // once each
		{141, []event.Drop{next}, nil},
		{160, nil, nil},
		{172, []event.Drop{next}, nil}, // which counts from here: another daemon coordinated
		{202, []event.Drop{next}, []string{"drop_stuck D.T "}},
		{203, nil, nil},
		{300, []event.Drop{removing}, nil},
		{400, []event.Drop{removing}, nil}, // it may take a day
		{401, []event.Drop{failing}, nil},
		{420, []event.Drop{removing}, nil},
		{432, []event.Drop{failing}, nil},
		{462, []event.Drop{failing}, []string{"drop_stuck D.T "}},
	} {
		at := time.Time{}.Add(time.Duration(step.minute) * time.Minute)
		assert.Equal(t, step.want, kinds(d.See(at, step.now)), "step %d", i)
	}
}
