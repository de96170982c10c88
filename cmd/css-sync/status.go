package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/status"
)

func statusCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how etcd, the catalogue, the mirror, drops and czars stand", GroupID: groupDaemon,
		Args: cli.Takes(),
		Long: `Show how etcd, the catalogue, drops, czars and, if the flags say where MySQL is, the mirror stand. What cannot be reached is said so, and
the rest is shown; the exit code then tells of the first fault. ALARM is what etcd itself raised, as when it is full, and somebody has
to disarm; it is a fault, too.

The daemon that keeps a mirror says in etcd how it stands, whether MySQL can be reached or not. TROUBLE is what is wrong with a mirror:
its code, since when, what it is and what to do. The exit code is 0 only when there is none: 4 says that there is some while etcd
and MySQL could be read, 2 that one of them could not be reached.

Of drops it counts the phases, and shows the three that have been waiting longest; css-sync drops list shows all. With -w json, "drops" has
"phases", which counts each, and "longest", a list as of css-sync drops list; "czars" is that of css-sync drops czars.`,
		Example: "  css-sync status\n  css-sync status -w json | jq .drops.phases",
		RunE: func(cmd *cobra.Command, _ []string) error {
			targets, err := p.MySQL.Targets(p.Connection.DialTimeout)
			if err != nil {
				return err
			}
			path, err := p.File.Path()
			if err != nil {
				return err
			}
			if _, err := p.Connection.Config(); err != nil && path == "" {
				return cli.InvalidUse(cmd, "%w", err)
			}
			s, fault := status.Read(cmd.Context(), p.Program, path, targets)
			return cmp.Or(p.Print(s, func(w io.Writer) { writeStatus(w, s) }), fault)
		},
	}
}

func writeStatus(w io.Writer, s status.Status) {
	var f cli.Facts
	if s.File != nil {
		f = append(f, [2]string{"file", s.File.Path})
	}
	for _, e := range s.Etcd.Endpoints {
		f = append(f, [2]string{"etcd", endpointText(e)})
	}
	if err := s.Etcd.Alarm(); err != nil {
		f = append(f, [2]string{"ALARM", cli.Sentence(err)})
	}
	f = append(f, [2]string{"catalogue", catalogueText(s)})
	if len(s.Mirrors) == 0 {
		f = append(f, [2]string{"mirror", "not looked at; --mysql-dsn, --mysql-dsn-file or --czar-config says where MySQL is"})
	}
	for _, m := range s.Mirrors {
		f = append(f, mirrorFacts(m)...)
	}
	if s.Drops != nil {
		f = append(append(f, dropFacts(s.Drops)...), czarFacts(s.Czars)...)
	}
	f.Write(w)
}

func endpointText(e status.Endpoint) string {
	if !e.OK {
		return e.Endpoint + ": " + e.Error
	}
	role := ""
	if e.Leader {
		role = ", leader"
	}
	return fmt.Sprintf("%s: version %s%s, %.1f MB", e.Endpoint, e.Version, role, float64(e.DBBytes)/1e6)
}

func catalogueText(s status.Status) string {
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

func mirrorFacts(m status.Mirror) (f cli.Facts) {
	switch {
	case m.OK:
		f = cli.Facts{
			{"mirror", fmt.Sprintf("%s at revision %d, %s, %s", m.Name, m.AppliedRevision, lagText(m), cli.Count(m.Rows, "row"))},
			{"written by", fmt.Sprintf("%s, term %d, %s", m.Owner, m.Term, m.Updated.UTC().Format(time.RFC3339))},
		}
	case m.Server == "":
		f = cli.Facts{{"mirror", m.Name + ", whose MySQL was not looked at"}}
	default:
		f = cli.Facts{{"mirror", m.Error}}
	}
	if m.Leader != "" {
		f = append(f, [2]string{"daemon", daemonText(m)})
	}
	if m.Foreign > 0 {
		f = append(f, [2]string{"others", cli.Count(m.Foreign, "change") + " by others on record in css_mirror_foreign"})
	}
	for _, t := range m.Troubles {
		since := ""
		if !t.Since.IsZero() {
			since = " since " + t.Since.UTC().Format(time.RFC3339)
		}
		f = append(f, [2]string{"TROUBLE", fmt.Sprintf("%s%s: %s", t.Code, since, t.Text)}, [2]string{"", t.Do})
	}
	return f
}

func daemonText(m status.Mirror) string {
	text := m.Leader
	if m.Daemon != nil {
		text += fmt.Sprintf(", %s since %s", m.Daemon.Phase, m.Daemon.Since.UTC().Format(time.RFC3339))
	}
	if n := len(m.StandingBy); n > 0 {
		text += fmt.Sprintf("; standing by: %s", strings.Join(m.StandingBy, ", "))
	}
	return text
}

func lagText(m status.Mirror) string {
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

func dropFacts(d *status.Drops) (f cli.Facts) {
	var counts []string
	total := 0
	for _, phase := range status.Phases {
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
		f = append(f, [2]string{"drop", fmt.Sprintf("%s, %s%s: %s", v.Name, v.Phase, strings.TrimSuffix(ago(v), " ago"),
			v.Summary)})
	}
	if more := total - len(d.Longest); more > 0 {
		f = append(f, [2]string{"drop", fmt.Sprintf("and %d more; `css-sync drops list` shows all", more)})
	}
	return f
}

// czarFacts counts the registered czars, and names those that do not do well.
func czarFacts(all []status.Czar) cli.Facts {
	if len(all) == 0 {
		return cli.Facts{{"czars", "none registered"}}
	}
	f := cli.Facts{{"czars", fmt.Sprintf("%d registered", len(all))}}
	for _, c := range all {
		if c.State != status.Alive {
			f = append(f, [2]string{"czar", fmt.Sprintf("%s is %s; its id is %s", c.Name, c.State, c.ID)})
		}
	}
	return f
}
