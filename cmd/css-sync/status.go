package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/mirror"
)

func statusCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how etcd, the catalogue and the mirror stand", GroupID: groupDaemon, Args: takes(),
		Long: `Show how etcd, the catalogue and, if the flags say where MySQL is, the mirror stand. What cannot be reached is said so, and
the rest is shown; the exit code then tells of the first fault.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			target, err := p.mysql.target(p.connection.dialTimeout)
			if err != nil {
				return err
			}
			if _, err := p.connection.config(); err != nil {
				return invalidUse(cmd, "%w", err)
			}
			var s statusView
			faults := []error{p.lookAtEtcd(cmd.Context(), &s)}
			if target != nil {
				ctx, cancel := p.limit(cmd.Context())
				defer cancel()
				state, err := mirror.ReadState(ctx, target)
				s.Mirror = viewMirror(state, err, &s.Etcd)
				if !errors.Is(err, mirror.ErrNoMirror) {
					faults = append(faults, err)
				}
			}
			if err := p.print(s, s.write); err != nil {
				return err
			}
			for _, err := range faults {
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (s statusView) write(w io.Writer) {
	var f facts
	for _, e := range s.Etcd.Endpoints {
		f = append(f, [2]string{"etcd", e.String()})
	}
	f = append(f, [2]string{"catalogue", s.catalogue()})
	append(f, s.Mirror.facts()...).write(w)
}

func (e endpointStatus) String() string {
	if !e.OK {
		return e.Endpoint + ": " + e.Error
	}
	role := ""
	if e.Leader {
		role = ", leader"
	}
	return fmt.Sprintf("%s: version %s%s, %.1f MB", e.Endpoint, e.Version, role, float64(e.DBBytes)/1e6)
}

func (s statusView) catalogue() string {
	c := s.Catalogue
	switch {
	case !s.Etcd.OK:
		return s.Etcd.Error
	case c == nil:
		return fmt.Sprintf("none below %s, at revision %d", s.Etcd.Prefix, s.Etcd.Revision)
	}
	return fmt.Sprintf("version %s below %s at revision %d: %s, %s, %s, %s, %s", c.CSSVersion, s.Etcd.Prefix, s.Etcd.Revision,
		count(c.Databases, "database"), count(c.Tables, "table"), count(c.Chunks, "chunk"), count(c.Nodes, "node"), count(c.Keys, "key"))
}

func (m *mirrorStatus) facts() facts {
	switch {
	case m == nil:
		return facts{{"mirror", "not looked at; --mysql-dsn, --mysql-dsn-file or --czar-config says where MySQL is"}}
	case !m.OK:
		return facts{{"mirror", m.Error}}
	}
	lag := "lag not known"
	switch {
	case m.LagRevisions != nil && *m.LagRevisions == 0:
		lag = "up to date"
	case m.LagRevisions != nil:
		lag = count(int(*m.LagRevisions), "revision") + " behind"
	case m.SameCatalogue != nil:
		lag = "of ANOTHER catalogue"
	}
	f := facts{
		{"mirror", fmt.Sprintf("%s at revision %d, %s, %s", m.Name, m.AppliedRevision, lag, count(m.Rows, "row"))},
		{"written by", fmt.Sprintf("%s, term %d, %s", m.Owner, m.Term, m.Updated.UTC().Format(time.RFC3339))},
	}
	if m.Quarantined > 0 {
		f = append(f, [2]string{"not shown", strconv.Itoa(m.Quarantined) + " keys that kvData cannot hold; `css-sync check` says which"})
	}
	return f
}
