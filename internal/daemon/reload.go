package daemon

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/wait"
)

// errReload ends what the daemon runs so that it begins again.
var errReload = errors.New("SIGHUP")

// reloadPause is between two tries to begin again while etcd is away.
const reloadPause = time.Second

// Run runs the daemon, and at each SIGHUP begins it again with what its files say by then: secrets, the czar's
// configuration, the list of workers, certificates. What runs ends in order first, so that another daemon takes over at
// once where there is one. The etcd of this process goes on.
func Run(ctx context.Context, p *cli.Program, config Config, reread func() (Config, error)) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var etcd *embedetcd.Server
	if config.DataDir != "" {
		var err error
		if etcd, err = startEtcd(ctx, p, config); err != nil {
			return err
		}
		defer stopEtcd(p, etcd)
	}
	for again := false; ; {
		inner, end := context.WithCancelCause(ctx)
		next := make(chan Config, 1)
		go func() {
			defer close(next)
			if anew, ok := awaitReload(inner, p, hangups, reread); ok {
				next <- anew
				end(errReload)
			}
		}()
		err := serve(inner, p, config, etcd)
		end(nil)
		anew, reload := <-next
		switch {
		case ctx.Err() != nil:
			return err
		case reload && err == nil:
			config = anew
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
func awaitReload(ctx context.Context, p *cli.Program, hangups <-chan os.Signal,
	reread func() (Config, error)) (Config, bool) {
	for {
		select {
		case <-ctx.Done():
			return Config{}, false
		case <-hangups:
		}
		config, err := reread()
		if err == nil {
			_, err = p.Connection.Config()
		}
		if err == nil {
			return config, true
		}
		p.Log.Error("SIGHUP: what the files say cannot be used; css-sync goes on as it was", "err", cli.Sentence(err))
	}
}
