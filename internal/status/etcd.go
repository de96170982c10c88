package status

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/mirror"
)

// lookAtEtcd fills in what etcd says. What it could not find out is an error, which the status shows too.
func (s *Status) lookAtEtcd(p *cli.Program, read func() error) error {
	s.Etcd = Etcd{Prefix: p.Connection.Prefix, Endpoints: []Endpoint{}, Alarms: []string{}}
	err := read()
	if err != nil {
		s.Etcd.OK, s.Etcd.Error = false, cli.Sentence(err)
	}
	return err
}

// readEtcd asks etcd, and for a snapshot of the catalogue.
func (s *Status) readEtcd(ctx context.Context, p *cli.Program, css *cli.Catalogue,
	snapshot func(context.Context, cssetcd.Revision) (*cssetcd.Snapshot, error)) error {
	ctx, cancel := p.Limit(ctx)
	defer cancel()
	s.Etcd.Endpoints = endpoints(ctx, css.Conn, p.Connection.Endpoints, p.Connection.DialTimeout)
	s.Etcd.Alarms = alarms(s.Etcd.Endpoints)
	id, err := css.Identity(ctx)
	if err != nil {
		return err
	}
	have, err := snapshot(ctx, 0)
	if err != nil {
		return err
	}
	if s.leading, err = daemon.ReadLeading(ctx, css.Conn, css.Prefix()); err != nil {
		return err
	}
	if s.modes, err = mirror.Modes(ctx, css.Client); err != nil {
		return err
	}
	if s.Etcd.Oldest, err = oldest(ctx, css, have.Revision()); err != nil {
		return err
	}
	s.Etcd.OK, s.Etcd.Revision = true, have.Revision()
	s.Etcd.identity, s.Etcd.ClusterID, s.Etcd.History = id, strconv.FormatUint(id.Cluster, 16), id.History
	if err := s.lookAtDrops(ctx, css.Client); err != nil {
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

// oldest returns the first revision of which etcd still knows what it changed.
func oldest(ctx context.Context, css *cli.Catalogue, newest cssetcd.Revision) (cssetcd.Revision, error) {
	store, err := kv.NewEtcd(css.Conn, css.Prefix())
	if err != nil {
		return 0, err
	}
	return kv.OldestWhole(ctx, store, newest)
}

// countCatalogue counts what there is, readable or not.
func countCatalogue(s *cssetcd.Snapshot) *Catalogue {
	c := &Catalogue{CSSVersion: cssetcd.Version, Keys: s.Len()}
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

// endpoints asks each member, each within a time.
func endpoints(ctx context.Context, etcd *clientv3.Client, members []string, within time.Duration) []Endpoint {
	out := make([]Endpoint, len(members))
	var wg sync.WaitGroup
	for i, e := range members {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			s, err := etcd.Status(ctx, e)
			if err != nil {
				out[i] = Endpoint{Endpoint: e, Error: cli.Sentence(err)}
				return
			}
			out[i] = Endpoint{Endpoint: e, OK: true, Version: s.Version, Leader: s.Leader == s.Header.MemberId,
				DBBytes: s.DbSize, alarms: alarmsOf(s.Errors)}
		})
	}
	wg.Wait()
	return out
}
