package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/embedetcd"
)

// ownEtcdStart is how long the daemon's own etcd may take to start: reading a large database takes a while.
const ownEtcdStart = time.Minute

// startEtcd runs the daemon's own etcd and points the connection to it.
func startEtcd(ctx context.Context, p *cli.Program, config Config) (*embedetcd.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, ownEtcdStart)
	defer cancel()
	etcd, err := embedetcd.Start(ctx, embedetcd.Options{
		// its history is compacted as that of any other
		Dir: config.DataDir, Listen: config.Listen, Logger: p.Log, Fatal: func(reason string) { etcdEnded(p, reason) },
	})
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	p.Connection.Endpoints = etcd.Endpoints()
	p.Log.Info("etcd runs in this process", "data", etcd.Dir(), "endpoints", etcd.Endpoints())
	return etcd, nil
}

// etcdEnded ends the process: what etcd did not write it must not go on from.
func etcdEnded(p *cli.Program, reason string) {
	p.Say("the etcd in this process cannot go on: %s", reason)
	notify(p, stopping)
	os.Exit(cli.ExitError)
}

// watchOver returns when etcd ends by itself.
func watchOver(ctx context.Context, etcd *embedetcd.Server) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-etcd.Failed():
		return errors.Join(errors.New("the etcd in this process ended"), err)
	}
}

func stopEtcd(p *cli.Program, etcd *embedetcd.Server) {
	if err := etcd.Close(); err != nil {
		p.Log.Error("etcd did not stop in good order", "err", err)
	}
}
