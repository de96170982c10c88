package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// How often a daemon that stands by looks whether it could take a mirror over, and how soon it begins to.
const (
	probeEvery = time.Minute
	probeSoon  = time.Second
)

// probe says when this daemon stands by for a mirror and could not take it over: else that would show only when it has
// to.
func (d *daemon) probe(t Target, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		said, next := "", time.Time{}
		for {
			if d.standing.isBehind(t.Name) && !time.Now().Before(next) {
				next = time.Now().Add(probeEvery)
				text := ""
				if err := kvdata.Probe(ctx, t.Server); err != nil && ctx.Err() == nil {
					text = cli.Sentence(err)
				}
				switch {
				case text != "" && said == "":
					log.Warn("standing by for the mirror, and could not take it over", "name", t.Name, "err", text)
				case text == "" && said != "":
					log.Info("could take the mirror over again", "name", t.Name)
				}
				said = text
			}
			if err := wait.UpTo(ctx, probeSoon); err != nil {
				return err
			}
		}
	}
}
