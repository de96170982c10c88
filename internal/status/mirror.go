package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Mirror is how a mirror stands: what MySQL says of it, and what the daemon says that keeps it.
type Mirror struct {
	OK              bool              `json:"ok"`              // MySQL was looked at, and says something
	Server          string            `json:"server"`          // its address; "": only etcd tells of this mirror
	Error           string            `json:"error,omitempty"` // why MySQL says nothing
	Name            string            `json:"name"`
	Owner           string            `json:"owner"` // who writes, or wrote last
	Term            int64             `json:"term"`
	AppliedRevision cssetcd.Revision  `json:"applied_revision"`
	LagRevisions    *cssetcd.Revision `json:"lag_revisions"`  // behind etcd; null: not known, or of another catalogue
	LagSeconds      *int64            `json:"lag_seconds"`    // for how long at most; 0: up to date; null: not known
	SameCatalogue   *bool             `json:"same_catalogue"` // whether it mirrors what etcd holds; null: not known
	Rows            int               `json:"rows"`
	Quarantined     int               `json:"quarantined"`
	Foreign         int               `json:"foreign"`       // changes by others that css_mirror_foreign records
	Writers         mirror.Writers    `json:"writers"`       // who may write, as etcd says; "": not known
	Captured        bool              `json:"captured"`      // MySQL captures what others write
	Waiting         int               `json:"waiting"`       // changes of others that were captured and not taken yet
	RefusesDrops    bool              `json:"refuses_drops"` // others may not drop databases and tables there
	Conflicts       int               `json:"conflicts"`     // changes of others that etcd did not take
	Updated         *time.Time        `json:"updated"`       // when it was last written to
	Daemon          *daemon.Report    `json:"daemon"`        // that keeps it; null: none, or it has said nothing yet
	Leader          string            `json:"leader"`        // which daemon leads; "": none, or etcd was not looked at
	StandingBy      []string          `json:"standing_by"`
	Troubles        []mirror.Trouble  `json:"troubles"` // none: all is well

	state kvdata.State // as its MySQL says, if that was looked at
}

// mostBehind is for how long a mirror may be behind before that is trouble.
const mostBehind = 30 * time.Second

// shown is what a server shows.
type shown struct {
	kvdata.State
	err error
}

// readShown reads what each server shows. It has to be read before etcd is: what others write meanwhile would else look
// as if etcd held less than kvData shows.
func readShown(ctx context.Context, p *cli.Program, servers []*mysql.Config) []shown {
	ctx, cancel := p.Limit(ctx)
	defer cancel()
	all := make([]shown, len(servers))
	for i, server := range servers {
		all[i].State, all[i].err = kvdata.ReadState(ctx, server)
	}
	return all
}

// lookAtMirrors fills in how the mirrors on the servers stand, and those that only etcd tells of.
func (s *Status) lookAtMirrors(ctx context.Context, servers []*mysql.Config, shown []shown) (faults []error) {
	told := maps.Clone(s.leading)
	for i, server := range servers {
		err := shown[i].err
		m := newMirror(server.Addr, shown[i].State, err, &s.Etcd)
		if err == nil {
			if err = m.lookAtOthers(ctx, server, s); err != nil {
				m.OK, m.Error = false, cli.Sentence(err)
			}
		}
		if err != nil && !errors.Is(err, mirror.ErrNoMirror) {
			faults = append(faults, err)
		}
		if s.Etcd.OK && m.Name != "" {
			m.Writers = s.writers(&m, m.Name)
			m.keptBy(s.leading[m.Name])
			delete(told, m.Name)
		}
		s.Mirrors = append(s.Mirrors, m)
	}
	s.nameTheMute(told)
	for _, name := range slices.Sorted(maps.Keys(told)) {
		m := Mirror{Name: name, Troubles: []mirror.Trouble{}}
		m.Writers = s.writers(&m, name)
		m.keptBy(told[name])
		s.Mirrors = append(s.Mirrors, m)
	}
	return faults
}

// nameTheMute gives the one server that does not say which mirror it has the one that is left, if there is one only.
func (s *Status) nameTheMute(told map[string]daemon.Leading) {
	mute := -1
	for i, m := range s.Mirrors {
		if m.Name == "" && mute >= 0 {
			return
		} else if m.Name == "" {
			mute = i
		}
	}
	if mute < 0 || !s.Etcd.OK || len(told) > 1 {
		return
	}
	var l daemon.Leading
	for name := range told {
		l, s.Mirrors[mute].Name = told[name], name
		delete(told, name)
	}
	s.Mirrors[mute].Writers = s.writers(&s.Mirrors[mute], cmp.Or(s.Mirrors[mute].Name, mirror.DefaultName))
	s.Mirrors[mute].keptBy(l)
}

// newMirror is what MySQL says of a mirror.
func newMirror(server string, s kvdata.State, err error, etcd *Etcd) Mirror {
	m := Mirror{Server: server, StandingBy: []string{}, Troubles: []mirror.Trouble{}}
	if err != nil {
		m.Error = cli.Sentence(err)
		m.add(mirror.KindOf(err).Code, m.Error)
		return m
	}
	m.state = s
	m.OK, m.Name, m.Owner, m.Term, m.AppliedRevision = true, s.Mirror, s.Owner, s.Term, s.Applied
	m.Rows, m.Quarantined, m.Updated = s.Rows, s.Quarantined, &s.Updated
	if s.Quarantined > 0 {
		m.add(mirror.Quarantine, cli.Count(s.Quarantined, "key")+" of the catalogue cannot be shown there")
	}
	if etcd.OK {
		m.compare(s, etcd)
	}
	return m
}

// compare fills in how far what MySQL shows is behind etcd.
func (m *Mirror) compare(s kvdata.State, etcd *Etcd) {
	same := daemon.SameCatalogue(s.Identity, etcd.identity)
	m.SameCatalogue = &same
	lag, seconds := max(etcd.Revision-s.Applied, 0), int64(0)
	switch {
	case s.Released():
		m.add(mirror.LeftToMySQL, fmt.Sprintf("kvData was left to those who write into MySQL, when it showed revision %d",
			s.Applied))
		return
	case !same:
		m.add(mirror.TableOfAnother, "kvData shows another catalogue than this etcd holds")
		return
	case s.Applied > etcd.Revision:
		m.add(mirror.EtcdWentBack, fmt.Sprintf("kvData shows revision %d, and etcd is at %d", s.Applied, etcd.Revision))
	case lag > 0:
		seconds = int64(s.Age / time.Second)
		if s.Age >= mostBehind {
			m.add(mirror.Behind, fmt.Sprintf("kvData is %s behind, and was last written %s ago", cli.Count(int(lag),
				"revision"), s.Age.Round(time.Second)))
		}
	}
	m.LagRevisions, m.LagSeconds = &lag, &seconds
}

// keptBy fills in which daemons have to do with the mirror.
func (m *Mirror) keptBy(l daemon.Leading) {
	m.Daemon, m.Leader, m.StandingBy = l.Report, l.Leader, append([]string{}, l.Waiting...)
	if l.Leader == "" && m.Writers != mirror.OnlyMySQL {
		m.add(mirror.NoDaemon, "no daemon keeps the mirror "+cmp.Or(m.Name, mirror.DefaultName))
	}
	if l.Report == nil {
		return
	}
	for _, t := range l.Report.Troubles {
		if t.Code == mirror.Conflicts && m.OK && m.Conflicts == 0 {
			continue // MySQL knows better, and the daemon counts now and then
		}
		m.Troubles = slices.DeleteFunc(m.Troubles, func(have mirror.Trouble) bool { return have.Code == t.Code })
		m.Troubles = append(m.Troubles, t)
	}
}

func (m *Mirror) add(code mirror.Code, text string) {
	m.Troubles = append(m.Troubles, mirror.NewTrouble(code, text, time.Time{}))
}

// trouble is what is wrong with the mirrors, in one line; nil when all is well.
func (s *Status) trouble() error {
	n, first := 0, ""
	for _, m := range s.Mirrors {
		if n += len(m.Troubles); first == "" && len(m.Troubles) > 0 {
			first = string(m.Troubles[0].Code)
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w with the mirror: %s", cli.ErrTrouble, first)
	}
	return fmt.Errorf("%w with the mirror: %s, and %d more", cli.ErrTrouble, first, n-1)
}
