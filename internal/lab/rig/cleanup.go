package rig

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/embedetcd"
)

// cleanup ends what was started.
type cleanup struct{ closers []func() error }

// OnClose has f called at the end.
func (c *cleanup) OnClose(f func() error) { c.closers = append(c.closers, f) }

// Close ends everything, the newest first.
func (c *cleanup) Close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i]())
	}
	c.closers = nil
	return errors.Join(errs...)
}

// startEtcd returns a client of an etcd that runs until the end.
func (c *cleanup) startEtcd(ctx context.Context, options embedetcd.Options) (*clientv3.Client, error) {
	server, err := embedetcd.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	c.OnClose(server.Close)
	client, err := server.Client()
	if err != nil {
		return nil, err
	}
	c.OnClose(client.Close)
	return client, nil
}
