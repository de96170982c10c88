package report

import (
	"fmt"
	"io"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

// Sides is the form of who may write to a catalogue and its kvData.
type Sides struct {
	Mirror       string           `json:"mirror"`
	Writers      mirror.Writers   `json:"writers"`  // "etcd", "both", or "mysql" where kvData was left
	Captured     bool             `json:"captured"` // MySQL captures what others write
	RefusesDrops bool             `json:"refuses_drops"`
	Waiting      int              `json:"waiting"`   // changes of others that were captured and not taken yet
	Conflicts    int              `json:"conflicts"` // changes of others that etcd did not take
	Unseen       bool             `json:"unseen"`    // the user may not see triggers
	Troubles     []mirror.Trouble `json:"troubles"`  // none: MySQL and etcd agree, and all is captured that is to be
}

// NewSides returns the form of the sides of a mirror.
func NewSides(name string, s mirror.Sides) Sides {
	is := s.Capture
	return Sides{name, s.Writers, is.Installed, is.Refuses, is.Waiting, is.Conflicts, is.Unseen,
		append([]mirror.Trouble{}, s.Troubles()...)} // and not null in JSON
}

// Write writes it for people to read.
func (s Sides) Write(w io.Writer) {
	writers := map[mirror.Writers]string{
		mirror.OnlyEtcd:  "etcd alone is written; what others write into kvData is undone",
		mirror.OnlyMySQL: "kvData was left to those who write into MySQL; nobody brings it to etcd",
		mirror.BothSides: "both sides write; what others write into kvData is taken into etcd",
	}
	f := cli.Facts{{"mirror", s.Mirror}, {"may write", writers[s.Writers]}, {"in MySQL", s.captureText()}}
	if s.Captured {
		f = append(f, [2]string{"drops by others", map[bool]string{
			true: "refused, with the command to use instead", false: "taken like all else"}[s.RefusesDrops]})
	}
	if s.Captured || s.Waiting > 0 {
		f = append(f, [2]string{"not taken yet", cli.Count(s.Waiting, "change")})
	}
	if s.Captured || s.Conflicts > 0 {
		f = append(f, [2]string{"conflicts", conflictsText(s.Conflicts)})
	}
	for _, t := range s.Troubles {
		f = append(f, [2]string{"TROUBLE", fmt.Sprintf("%s: %s", t.Code, t.Text)}, [2]string{"what to do", t.Do})
	}
	f.Write(w)
}

func (s Sides) captureText() string {
	switch {
	case s.Unseen:
		return "it is to be captured what others write; whether it is, this user may not see, which needs TRIGGER on kvData"
	case s.Captured:
		return "triggers capture what others write"
	}
	return "nothing captures what others write"
}

func conflictsText(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%d; see `css-sync conflicts list`", n)
}

// SidesChanged is the form of what was done to who may write.
type SidesChanged struct {
	Sides
	Changed bool   `json:"changed"` // false: nothing had to be done
	GivenUp int    `json:"given_up"`
	Daemon  string `json:"daemon"` // that keeps the mirror; "": none
}

// NewSidesChanged returns the form of a change from one state to another. A change that was captured and is no longer
// there was given up with force.
func NewSidesChanged(name string, before, after mirror.Sides, daemon string, force bool) SidesChanged {
	c := SidesChanged{Sides: NewSides(name, after), Daemon: daemon}
	c.Changed = before.Writers != after.Writers || before.Capture.Installed != after.Capture.Installed || !before.Agree()
	if force {
		c.GivenUp = before.Capture.Waiting
	}
	return c
}

// Write writes it for people to read.
func (c SidesChanged) Write(w io.Writer) {
	both := c.Writers == mirror.BothSides
	if !c.Changed {
		fmt.Fprint(w, "nothing to do: ")
	}
	switch {
	case both:
		fmt.Fprintln(w, "both sides write now: triggers capture what others write into kvData, and the mirror takes it into "+
			"etcd")
		fmt.Fprintln(w, "what etcd does not take is undone in kvData and kept: `css-sync conflicts list`")
	case c.Writers == mirror.OnlyMySQL:
		fmt.Fprintln(w, "kvData was left to those who write into MySQL, and nothing captures what they write")
	default:
		fmt.Fprintln(w, "etcd alone is written now: nothing captures any more what others write into kvData, and what they "+
			"write is undone")
	}
	if c.GivenUp > 0 {
		fmt.Fprintf(w, "given up: %s of others that waited to be taken\n", cli.Count(c.GivenUp, "change"))
	}
	if !both && c.Conflicts > 0 {
		fmt.Fprintf(w, "%s on record: `css-sync conflicts list`\n",
			cli.Plural(c.Conflicts, "conflict stays", "conflicts stay"))
	}
	switch {
	case c.Daemon != "" && c.Changed:
		fmt.Fprintf(w, "the daemon that runs notices by itself: %s\n", c.Daemon)
	case c.Daemon == "" && both:
		fmt.Fprintln(w, "no daemon runs: start `css-sync serve`; until then what others write waits")
	}
}
