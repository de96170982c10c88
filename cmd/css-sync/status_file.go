package main

import (
	"context"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// fileStatus is how the file of --css stands.
type fileStatus struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Path  string `json:"path"`
}

// lookAtFile fills in what the file of --css says, in place of etcd.
func (p *program) lookAtFile(ctx context.Context, path string, s *statusView) error {
	s.File = &fileStatus{OK: true, Path: path}
	s.Etcd = etcdStatus{Error: "not looked at; the catalogue is on a file", Endpoints: []endpointStatus{},
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
