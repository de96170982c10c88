// Package status reads how etcd, the catalogue, drops, czars and the mirror stand. Its types are JSON forms, and a
// contract of css-sync.
package status

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/mirror"
)

// Status is how all stands.
type Status struct {
	Etcd      Etcd       `json:"etcd"`
	File      *File      `json:"file,omitempty"` // where --css says that the catalogue is
	Catalogue *Catalogue `json:"catalogue"`      // null: there is none, or it cannot be read
	Mirror    *Mirror    `json:"mirror"`         // null: nothing says where MySQL is
	// of daemons that write nothing to MySQL until somebody does something
	Refusals []daemon.Refusal `json:"refusals"`
	Drops    *Drops           `json:"drops"` // null: they cannot be read, or the catalogue is on a file
	Czars    []Czar           `json:"czars"` // that are registered
	dropsErr error
}

// Etcd is how etcd stands.
type Etcd struct {
	OK        bool             `json:"ok"`
	Error     string           `json:"error,omitempty"`
	Endpoints []Endpoint       `json:"endpoints"`
	Alarms    []string         `json:"alarms"` // "NOSPACE", "CORRUPT" and others that etcd raised and nobody disarmed
	Revision  cssetcd.Revision `json:"revision"`
	Prefix    string           `json:"prefix"`
	ClusterID string           `json:"cluster_id"`
	History   string           `json:"history"`
	identity  cssetcd.Identity
}

// Endpoint is how a member of etcd stands.
type Endpoint struct {
	Endpoint string `json:"endpoint"`
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
	Version  string `json:"version"`
	Leader   bool   `json:"leader"`
	DBBytes  int64  `json:"db_bytes"`
	alarms   []string
}

// Catalogue counts what the catalogue has.
type Catalogue struct {
	CSSVersion string `json:"css_version"`
	Databases  int    `json:"databases"`
	Tables     int    `json:"tables"`
	Chunks     int    `json:"chunks"`
	Nodes      int    `json:"nodes"`
	Keys       int    `json:"keys"`
}

// Mirror is how the mirror stands.
type Mirror struct {
	OK              bool              `json:"ok"`
	Error           string            `json:"error,omitempty"`
	Name            string            `json:"name"`
	Owner           string            `json:"owner"` // who writes, or wrote last
	Term            int64             `json:"term"`
	AppliedRevision cssetcd.Revision  `json:"applied_revision"`
	LagRevisions    *cssetcd.Revision `json:"lag_revisions"`  // behind etcd; null: not known, or of another catalogue
	SameCatalogue   *bool             `json:"same_catalogue"` // whether it mirrors what etcd holds; null: not known
	Rows            int               `json:"rows"`
	Quarantined     int               `json:"quarantined"`
	Updated         *time.Time        `json:"updated"` // when it was last written to
}

// File is how the file of --css stands.
type File struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Path  string `json:"path"`
}

// Read reads how the catalogue stands, on etcd or on the file at the path, and the mirror on a MySQL server if there is
// one. It shows what it cannot read, and the first fault is its error.
func Read(ctx context.Context, p *cli.Program, path string, target *mysql.Config) (Status, error) {
	s := Status{Refusals: []daemon.Refusal{}, Czars: []Czar{}}
	look := s.lookAtEtcd
	if path != "" {
		look = func(ctx context.Context, p *cli.Program) error { return s.lookAtFile(ctx, p, path) }
	}
	faults := []error{look(ctx, p)}
	faults = append(faults, s.Etcd.Alarm(), s.dropsErr)
	if target != nil {
		ctx, cancel := p.Limit(ctx)
		defer cancel()
		state, err := mirror.ReadState(ctx, target)
		s.Mirror = newMirror(state, err, &s.Etcd)
		if !errors.Is(err, mirror.ErrNoMirror) {
			faults = append(faults, err)
		}
	}
	return s, cmp.Or(faults...)
}

// lookAtFile fills in what the file of --css says, in place of etcd.
func (s *Status) lookAtFile(ctx context.Context, p *cli.Program, path string) error {
	s.File = &File{OK: true, Path: path}
	s.Etcd = Etcd{Error: "not looked at; the catalogue is on a file", Endpoints: []Endpoint{},
		Alarms: []string{}}
	css, err := p.OpenFile(path, cssetcd.WithReadOnly())
	if err == nil {
		defer css.Close()
		var have *cssetcd.Snapshot
		if have, err = css.WholeSnapshot(ctx, 0); err == nil {
			s.Catalogue = countCatalogue(have)
		}
	}
	if err != nil {
		s.File.OK, s.File.Error = false, cli.Sentence(err)
	}
	return err
}

func newMirror(s mirror.State, err error, etcd *Etcd) *Mirror {
	if err != nil {
		return &Mirror{Error: cli.Sentence(err)}
	}
	v := &Mirror{
		OK: true, Name: s.Mirror, Owner: s.Owner, Term: s.Term, AppliedRevision: s.Applied,
		Rows: s.Rows, Quarantined: s.Quarantined, Updated: &s.Updated,
	}
	if etcd.OK {
		same := daemon.SameCatalogue(s.Identity, etcd.identity)
		v.SameCatalogue = &same
		if lag := max(etcd.Revision-s.Applied, 0); same {
			v.LagRevisions = &lag
		}
	}
	return v
}
