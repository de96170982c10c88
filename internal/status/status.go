// Package status reads how etcd, the catalogue, drops, czars and the mirror stand. Its types are JSON forms, and a
// contract of css-sync.
package status

import (
	"cmp"
	"context"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/mirror"
)

// Status is how all stands.
type Status struct {
	Etcd      Etcd        `json:"etcd"`
	File      *File       `json:"file,omitempty"` // where --css says that the catalogue is
	Catalogue *Catalogue  `json:"catalogue"`      // null: there is none, or it cannot be read
	Mirrors   []Mirror    `json:"mirrors"`        // of the MySQL servers given, and others that daemons keep
	Drops     *Drops      `json:"drops"`          // null: they cannot be read, or the catalogue is on a file
	Czars     []form.Czar `json:"czars"`          // that are registered
	dropsErr  error
	leading   map[string]daemon.Leading
	modes     map[string]mirror.Mode // of mirrors, as etcd says
}

// Etcd is how etcd stands.
type Etcd struct {
	OK        bool             `json:"ok"`
	Error     string           `json:"error,omitempty"`
	Endpoints []Endpoint       `json:"endpoints"`
	Alarms    []string         `json:"alarms"` // "NOSPACE", "CORRUPT" and others that etcd raised and nobody disarmed
	Revision  cssetcd.Revision `json:"revision"`
	Oldest    cssetcd.Revision `json:"oldest_revision"` // of which etcd still knows what it changed
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

// File is how the file of --css stands.
type File struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Path  string `json:"path"`
}

// Read reads how the catalogue stands, on etcd or on the file at the path, and the mirrors on MySQL servers. It shows
// what it cannot read, and the first fault is its error; where all could be read and something needs attention, that is
// cli.ErrTrouble.
func Read(ctx context.Context, p *cli.Program, path string, targets []*mysql.Config) (Status, error) {
	return read(ctx, p, targets, func(s *Status) error {
		if path != "" {
			return s.lookAtFile(ctx, p, path)
		}
		css, err := p.Connect(ctx)
		if err != nil {
			return s.lookAtEtcd(p, func() error { return err })
		}
		defer css.Close()
		return s.lookAtEtcd(p, func() error { return s.readEtcd(ctx, p, css, css.Snapshot) })
	})
}

// Of is Read of an etcd that is connected and a catalogue that is in memory, as a daemon has them.
func Of(ctx context.Context, p *cli.Program, css *cli.Catalogue, have *cssetcd.Snapshot,
	targets []*mysql.Config) (Status, error) {
	return read(ctx, p, targets, func(s *Status) error {
		return s.lookAtEtcd(p, func() error {
			there := func(context.Context, cssetcd.Revision) (*cssetcd.Snapshot, error) { return have, nil }
			return s.readEtcd(ctx, p, css, there)
		})
	})
}

func read(ctx context.Context, p *cli.Program, targets []*mysql.Config, look func(*Status) error) (Status, error) {
	s := Status{Mirrors: []Mirror{}, Czars: []form.Czar{}}
	shown := readShown(ctx, p, targets)
	faults := []error{look(&s)}
	faults = append(faults, s.Etcd.Alarm(), s.dropsErr)
	ctx, cancel := p.Limit(ctx)
	defer cancel()
	faults = append(faults, s.lookAtMirrors(ctx, targets, shown)...)
	return s, cmp.Or(append(faults, s.trouble())...)
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
