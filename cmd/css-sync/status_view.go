package main

import (
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/mirror"
)

// statusView is the JSON form of the status.
type statusView struct {
	Etcd      etcdStatus       `json:"etcd"`
	File      *fileStatus      `json:"file,omitempty"` // where --css says that the catalogue is
	Catalogue *catalogueStatus `json:"catalogue"`      // null: there is none, or it cannot be read
	Mirror    *mirrorStatus    `json:"mirror"`         // null: nothing says where MySQL is
	// of daemons that write nothing to MySQL until somebody does something
	Refusals []daemon.Refusal `json:"refusals"`
	Drops    *dropsStatus     `json:"drops"` // null: they cannot be read, or the catalogue is on a file
	Czars    []czarView       `json:"czars"` // that are registered
	dropsErr error
}

type etcdStatus struct {
	OK        bool             `json:"ok"`
	Error     string           `json:"error,omitempty"`
	Endpoints []endpointStatus `json:"endpoints"`
	Alarms    []string         `json:"alarms"` // "NOSPACE", "CORRUPT" and others that etcd raised and nobody disarmed
	Revision  cssetcd.Revision `json:"revision"`
	Prefix    string           `json:"prefix"`
	ClusterID string           `json:"cluster_id"`
	History   string           `json:"history"`
	identity  cssetcd.Identity
}

type endpointStatus struct {
	Endpoint string `json:"endpoint"`
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
	Version  string `json:"version"`
	Leader   bool   `json:"leader"`
	DBBytes  int64  `json:"db_bytes"`
	alarms   []string
}

type catalogueStatus struct {
	CSSVersion string `json:"css_version"`
	Databases  int    `json:"databases"`
	Tables     int    `json:"tables"`
	Chunks     int    `json:"chunks"`
	Nodes      int    `json:"nodes"`
	Keys       int    `json:"keys"`
}

type mirrorStatus struct {
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

func viewMirror(s mirror.State, err error, etcd *etcdStatus) *mirrorStatus {
	if err != nil {
		return &mirrorStatus{Error: cli.Sentence(err)}
	}
	v := &mirrorStatus{
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
