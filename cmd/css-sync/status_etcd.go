package main

import (
	"context"
	"errors"
	"strconv"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/daemon"
)

// lookAtEtcd fills in what etcd says. What it could not find out is an error, which the status shows too.
func (p *program) lookAtEtcd(ctx context.Context, s *statusView) error {
	s.Etcd = etcdStatus{Prefix: p.Connection.Prefix, Endpoints: []endpointStatus{}, Alarms: []string{}}
	err := p.readEtcd(ctx, s)
	if err != nil {
		s.Etcd.OK, s.Etcd.Error = false, cli.Sentence(err)
	}
	return err
}

func (p *program) readEtcd(ctx context.Context, s *statusView) error {
	css, err := p.Connect(ctx)
	if err != nil {
		return err
	}
	defer css.Close()
	ctx, cancel := p.Limit(ctx)
	defer cancel()
	s.Etcd.Endpoints = p.endpoints(ctx, css.Conn)
	s.Etcd.Alarms = alarms(s.Etcd.Endpoints)
	id, err := css.Identity(ctx)
	if err != nil {
		return err
	}
	have, err := css.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
	if s.Refusals, err = daemon.ReadRefusals(ctx, css.Conn, css.Prefix()); err != nil {
		return err
	}
	s.Etcd.OK, s.Etcd.Revision = true, have.Revision()
	s.Etcd.identity, s.Etcd.ClusterID, s.Etcd.History = id, strconv.FormatUint(id.Cluster, 16), id.History
	if err := p.lookAtDrops(ctx, css.Client, s); err != nil {
		s.dropsErr = err // what etcd says is as good
	}
	switch err := have.Version(); {
	case errors.Is(err, cssetcd.ErrVersionMissing):
		return nil
	case err != nil:
		return err
	}
	s.Catalogue = countCatalogue(have)
	return nil
}

// countCatalogue counts what there is, readable or not.
func countCatalogue(s *cssetcd.Snapshot) *catalogueStatus {
	c := &catalogueStatus{CSSVersion: cssetcd.Version, Keys: s.Len()}
	for key := range s.Below("") {
		k := csskey.Parse(key)
		_, isChunk := k.Chunk()
		switch {
		case isChunk:
			c.Chunks++
		case !k.IsName():
		case k.Kind == csskey.Database:
			c.Databases++
		case k.Kind == csskey.Table:
			c.Tables++
		case k.Kind == csskey.Node:
			c.Nodes++
		}
	}
	return c
}

// endpoints asks each member, each within the dial time-out.
func (p *program) endpoints(ctx context.Context, etcd *clientv3.Client) []endpointStatus {
	out := make([]endpointStatus, len(p.Connection.Endpoints))
	var wg sync.WaitGroup
	for i, e := range p.Connection.Endpoints {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, p.Connection.DialTimeout)
			defer cancel()
			s, err := etcd.Status(ctx, e)
			if err != nil {
				out[i] = endpointStatus{Endpoint: e, Error: cli.Sentence(err)}
				return
			}
			out[i] = endpointStatus{Endpoint: e, OK: true, Version: s.Version, Leader: s.Leader == s.Header.MemberId,
				DBBytes: s.DbSize, alarms: alarmsOf(s.Errors)}
		})
	}
	wg.Wait()
	return out
}
