package status

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/mirror"
)

// Write writes it for people to read.
func (s Status) Write(w io.Writer) {
	var f cli.Facts
	if s.File != nil {
		f = append(f, [2]string{"file", s.File.Path})
	}
	for _, e := range s.Etcd.Endpoints {
		f = append(f, [2]string{"etcd", e.text()})
	}
	if err := s.Etcd.Alarm(); err != nil {
		f = append(f, [2]string{"ALARM", cli.Sentence(err)})
	}
	f = append(f, [2]string{"history", s.Etcd.historyText()}, [2]string{"catalogue", s.catalogueText()})
	if len(s.Mirrors) == 0 {
		f = append(f, [2]string{"mirror",
			"not looked at; --mysql-dsn, --mysql-dsn-file or --czar-config says where MySQL is"})
	}
	for _, m := range s.Mirrors {
		f = append(f, m.facts()...)
	}
	if s.Drops != nil {
		f = append(append(f, s.Drops.facts()...), czarFacts(s.Czars)...)
	}
	f.Write(w)
}

func (e Endpoint) text() string {
	if !e.OK {
		return e.Endpoint + ": " + e.Error
	}
	role := ""
	if e.Leader {
		role = ", leader"
	}
	return fmt.Sprintf("%s: version %s%s, %.1f MB", e.Endpoint, e.Version, role, float64(e.DBBytes)/1e6)
}

// firstRevision is the first of an etcd that can have changed anything.
const firstRevision = 2

// historyText says how much is kept, which grows without end where nobody compacts it. "": nobody knows.
func (e Etcd) historyText() string {
	if !e.OK {
		return ""
	}
	kept := cli.Count(int(max(0, e.Revision-e.Oldest+1)), "revision")
	if e.Oldest <= firstRevision {
		return kept + ", nothing is compacted yet"
	}
	return fmt.Sprintf("%s, compacted up to %d", kept, e.Oldest-1)
}

func (s Status) catalogueText() string {
	c := s.Catalogue
	counts := func() string {
		return fmt.Sprintf("%s, %s, %s, %s, %s",
			cli.Count(c.Databases, "database"), cli.Count(c.Tables, "table"), cli.Count(c.Chunks, "chunk"),
			cli.Count(c.Nodes, "node"), cli.Count(c.Keys, "key"))
	}
	switch {
	case s.File != nil && c == nil:
		return s.File.Error
	case s.File != nil:
		return fmt.Sprintf("version %s: %s", c.CSSVersion, counts())
	case !s.Etcd.OK:
		return s.Etcd.Error
	case c == nil:
		return fmt.Sprintf("none below %s, at revision %d", s.Etcd.Prefix, s.Etcd.Revision)
	}
	return fmt.Sprintf("version %s below %s at revision %d: %s", c.CSSVersion, s.Etcd.Prefix, s.Etcd.Revision, counts())
}

func (m Mirror) facts() (f cli.Facts) {
	switch {
	case m.OK && m.state.Released():
		f = cli.Facts{{"mirror", fmt.Sprintf("none: kvData was left when it showed revision %d", m.AppliedRevision)}}
	case m.OK:
		f = cli.Facts{
			{"mirror", fmt.Sprintf("%s at revision %d, %s, %s", m.Name, m.AppliedRevision, m.lagText(),
				cli.Count(m.Rows, "row"))},
			{"written by", fmt.Sprintf("%s, term %d, %s", m.Owner, m.Term, m.Updated.UTC().Format(time.RFC3339))},
		}
	case m.Server == "":
		f = cli.Facts{{"mirror", m.Name + ", whose MySQL was not looked at"}}
	default:
		f = cli.Facts{{"mirror", m.Error}}
	}
	if m.Leader != "" {
		f = append(f, [2]string{"daemon", m.daemonText()})
	}
	f = append(f, [2]string{"may write", m.writersText()})
	if m.Foreign > 0 {
		f = append(f, [2]string{"others", cli.Count(m.Foreign, "change") + " by others on record in css_mirror_foreign"})
	}
	for _, t := range m.Troubles {
		since := ""
		if !t.Since.IsZero() {
			since = " since " + t.Since.UTC().Format(time.RFC3339)
		}
		f = append(f, [2]string{"TROUBLE", fmt.Sprintf("%s%s: %s", t.Code, since, t.Text)}, [2]string{"what to do", t.Do})
	}
	return f
}

func (m Mirror) writersText() string {
	text := ""
	switch m.Writers {
	case mirror.OnlyEtcd:
		text = "who writes to etcd"
	case mirror.OnlyMySQL:
		text = "who writes into kvData; nothing comes to etcd"
	case mirror.BothSides:
		text = "who writes to etcd, and others into kvData"
		if m.RefusesDrops {
			text += ", but for drops"
		}
	}
	if m.Waiting > 0 {
		text = strings.TrimPrefix(text+"; "+cli.Count(m.Waiting, "change")+" of others not taken yet", "; ")
	}
	return text
}

func (m Mirror) daemonText() string {
	text := m.Leader
	if m.Daemon != nil {
		text += fmt.Sprintf(", %s since %s", m.Daemon.Phase, m.Daemon.Since.UTC().Format(time.RFC3339))
	}
	if n := len(m.StandingBy); n > 0 {
		text += fmt.Sprintf("; standing by: %s", strings.Join(m.StandingBy, ", "))
	}
	return text
}

func (m Mirror) lagText() string {
	switch {
	case m.LagRevisions != nil && *m.LagRevisions == 0:
		return "up to date"
	case m.LagRevisions != nil:
		return fmt.Sprintf("%s behind for at most %d s", cli.Count(int(*m.LagRevisions), "revision"), *m.LagSeconds)
	case m.SameCatalogue != nil:
		return "of ANOTHER catalogue"
	}
	return "lag not known"
}

func (d *Drops) facts() (f cli.Facts) {
	var counts []string
	total := 0
	for _, phase := range form.Phases {
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
		age := v.Age()
		if age != "" {
			age = ", " + age
		}
		f = append(f, [2]string{"drop", fmt.Sprintf("%s, %s%s: %s", v.Name, v.Phase, age, v.Summary)})
	}
	if more := total - len(d.Longest); more > 0 {
		f = append(f, [2]string{"drop", fmt.Sprintf("and %d more; `css-sync drops list` shows all", more)})
	}
	return f
}

// czarFacts counts the registered czars, and names those that do not do well.
func czarFacts(all []form.Czar) cli.Facts {
	if len(all) == 0 {
		return cli.Facts{{"czars", "none registered"}}
	}
	f := cli.Facts{{"czars", fmt.Sprintf("%d registered", len(all))}}
	for _, c := range all {
		if c.State != form.Alive {
			f = append(f, [2]string{"czar", fmt.Sprintf("%s is %s; its id is %s", c.Name, c.State, c.ID)})
		}
	}
	return f
}
