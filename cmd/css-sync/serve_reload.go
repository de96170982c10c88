package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/wait"
)

// reread is what the flags say when the files that they name are read anew.
type reread func() (serveFlags, *mysql.Config, error)

// errReload ends what the daemon runs so that it begins again.
var errReload = errors.New("SIGHUP")

// reloadPause is between two tries to begin again while etcd is away.
const reloadPause = time.Second

// serveAgain runs the daemon, and at each SIGHUP begins it again with what its files say by then: secrets, the czar's
// configuration, the list of workers, certificates. What runs ends in order first, so that another daemon takes over at
// once where there is one. The etcd of this process goes on.
func (p *program) serveAgain(ctx context.Context, f serveFlags, target *mysql.Config, read reread) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var etcd *embedetcd.Server
	if f.dataDir != "" {
		var err error
		if etcd, err = p.startEtcd(ctx, f); err != nil {
			return err
		}
		defer p.stopEtcd(etcd)
	}
	for again := false; ; {
		inner, end := context.WithCancelCause(ctx)
		next := make(chan func(), 1)
		go func() {
			defer close(next)
			if newFlags, newTarget, ok := p.awaitReload(inner, hangups, read); ok {
				next <- func() { f, target = newFlags, newTarget }
				end(errReload)
			}
		}()
		err := p.serve(inner, f, target, etcd)
		end(nil)
		use, reload := <-next
		switch {
		case ctx.Err() != nil:
			return err
		case reload && err == nil:
			use()
			again = true
			p.Log.Info("SIGHUP: css-sync begins again with what its files say now")
		case again && cli.ExitCode(err) == cli.ExitNoConnection: // which is an error at the start only
			p.Log.Warn("etcd cannot be reached; css-sync tries again", "err", cli.Sentence(err))
			_ = wait.For(ctx, reloadPause)
		default:
			return err
		}
	}
}

// awaitReload waits for a SIGHUP after which the files can be used. It returns false when ctx ends.
func (p *program) awaitReload(ctx context.Context, hangups <-chan os.Signal, read reread) (serveFlags, *mysql.Config,
	bool) {
	for {
		select {
		case <-ctx.Done():
			return serveFlags{}, nil, false
		case <-hangups:
		}
		f, target, err := read()
		if err == nil {
			_, err = p.Connection.Config()
		}
		if err == nil {
			return f, target, true
		}
		p.Log.Error("SIGHUP: what the files say cannot be used; css-sync goes on as it was", "err", cli.Sentence(err))
	}
}
