package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/event"
	"github.com/qserv/css-etcd/internal/settings"
	"github.com/qserv/css-etcd/internal/wait"
)

// errReload ends what the daemon runs so that it begins again.
var errReload = errors.New("SIGHUP")

// reloadPause is between two tries to begin again while etcd is away.
const reloadPause = time.Second

// Setup is what a daemon was told to do.
type Setup struct {
	Program *cli.Program
	Config  Config
	// Said is what the configuration was made of, read no later than that.
	Said settings.Layer
}

// Run runs the daemon. At each SIGHUP it reads its setup anew: the configuration file and what others say that settings
// name, which are secrets, the czar's configuration, the list of workers, certificates. Then it begins again: what runs
// ends in order first, so that another daemon takes over at once where there is one. The etcd of this process goes on.
func Run(ctx context.Context, first Setup, reread func() (Setup, error)) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	door, err := openDoor(first.Program, first.Config.HTTP)
	if err != nil {
		return err
	}
	defer door.close()
	var etcd *embedetcd.Server
	if first.Config.DataDir != "" {
		if etcd, err = startEtcd(ctx, first.Program, first.Config); err != nil {
			return err
		}
		defer stopEtcd(first.Program, etcd)
	}
	lasting := &lasting{etcd: etcd, door: door}
	var beating sync.WaitGroup
	defer beating.Wait()
	alive, dies := context.WithCancel(context.WithoutCancel(ctx))
	defer dies()
	beating.Go(func() { lasting.heart.beat(alive, first.Program) })
	defer notify(first.Program, stopping)
	now := first
	for again := false; ; {
		if etcd != nil {
			now.Program.Connection.Endpoints = etcd.Endpoints()
		}
		inner, end := context.WithCancelCause(ctx)
		next := make(chan Setup, 1)
		go func() {
			defer close(next)
			if anew, ok := awaitReload(inner, now, hangups, reread); ok {
				next <- anew
				end(errReload)
			}
		}()
		err := serve(inner, now.Program, now.Config, lasting)
		end(nil)
		anew, reload := <-next
		switch whatNext(ctx.Err() != nil, reload, again, err) {
		case beginAnew:
			if err != nil {
				now.Program.Log.Warn("SIGHUP: what ran until now had failed", "err", cli.Sentence(err))
			}
			now, again = anew, true
			now.Config.Mirror.Adopt = false         // which is said once, of the table that was there at the start
			first.Program.TakeLogLevel(now.Program) // with which the etcd of this process logs
			now.Program.Log.Info("SIGHUP: css-sync begins again with what its files say now")
		case tryAgain:
			now.Program.Log.Warn("etcd cannot be reached; css-sync tries again", "err", cli.Sentence(err))
			_ = wait.For(ctx, reloadPause)
		default:
			return err
		}
	}
}

// lasting is what goes on when a daemon begins again.
type lasting struct {
	etcd    *embedetcd.Server // nil: there is none in this process
	door    *door             // nil: nobody is answered
	heart   heart
	mirrors event.Mirrors // of which somebody was told
	drops   event.Drops
}

// step is what a daemon does when what it ran has ended.
type step int

const (
	goDown step = iota
	beginAnew
	tryAgain
)

// whatNext says it. Who sent SIGHUP has changed something, and mostly because of what failed: that counts for more than
// how it failed. That etcd cannot be reached is an error at the start only.
func whatNext(ended, reload, again bool, err error) step {
	switch {
	case ended:
		return goDown
	case reload:
		return beginAnew
	case again && cli.ExitCode(err) == cli.ExitNoConnection:
		return tryAgain
	}
	return goDown
}

// awaitReload waits for a SIGHUP after which the daemon has to begin again, and returns with what. It returns false
// when ctx ends.
func awaitReload(ctx context.Context, now Setup, hangups <-chan os.Signal, reread func() (Setup, error)) (Setup, bool) {
	p := now.Program
	for {
		select {
		case <-ctx.Done():
			return Setup{}, false
		case <-hangups:
		}
		notifyReloading(p)
		anew, err := reread()
		if err == nil {
			_, err = anew.Program.Connection.Config()
		}
		var r reload
		if err == nil {
			r, err = compare(now.Said, anew.Said)
		}
		if err != nil {
			p.Log.Error("SIGHUP: what the files say cannot be used; css-sync goes on as it was", "err", cli.Sentence(err))
			notify(p, ready)
			continue
		}
		for _, name := range r.later {
			p.Log.Warn("SIGHUP: a setting has changed that takes a restart of css-sync; it stays as it was", "setting", name,
				"source", anew.Said[name].From)
			anew.Said = with(anew.Said, name, now.Said)
		}
		if !r.levelOnly {
			return anew, true
		}
		p.TakeLogLevel(anew.Program)
		now.Said = anew.Said
		p.Log.Info("SIGHUP: the log level has changed, and nothing else", "log-level", p.LogLevel())
		notify(p, ready)
	}
}

// kept are settings of what goes on: the etcd of this process.
var kept = []string{"data-dir", "listen-client"}

// switches are settings that say whether something is there that goes on, and what that is.
var switches = []struct{ name, what string }{
	{"data-dir", "whether an etcd runs in this process"},
	{"http-cert", "whether HTTP has TLS"},
}

// listenHTTP is where HTTP is answered. Who may do what follows from it, so that nothing else is taken where it has
// changed.
const listenHTTP = "listen-http"

// reload is what a SIGHUP asks for.
type reload struct {
	later     []string // settings that cannot change now
	levelOnly bool     // nothing that runs has to begin again
}

// compare says what to do where a daemon is told something else than before. It is an error where that cannot be done.
func compare(before, now settings.Layer) (reload, error) {
	for _, s := range switches {
		had, has := before[s.name].Texts, now[s.name].Texts
		if slices.ContainsFunc(had, notEmpty) != slices.ContainsFunc(has, notEmpty) {
			return reload{}, fmt.Errorf("%s says %s, which takes a restart of css-sync to change: it was %q and is %q", s.name,
				s.what, had, has)
		}
	}
	var r reload
	changed := settings.Changed(before, now)
	if slices.Contains(changed, listenHTTP) {
		return reload{}, fmt.Errorf("%s says where HTTP is answered, which takes a restart of css-sync to change: it was %q "+
			"and is %q", listenHTTP, before[listenHTTP].Texts, now[listenHTTP].Texts)
	}
	r.later = slices.DeleteFunc(slices.Clone(changed), func(name string) bool {
		return !slices.Contains(kept, name)
	})
	others := slices.DeleteFunc(changed, func(name string) bool { return slices.Contains(kept, name) })
	r.levelOnly = slices.Equal(others, []string{"log-level"})
	return r, nil
}

func notEmpty(text string) bool { return text != "" }

// with returns a layer in which a setting is as in another one.
func with(layer settings.Layer, name string, other settings.Layer) settings.Layer {
	out := maps.Clone(layer)
	delete(out, name)
	if value, ok := other[name]; ok {
		out[name] = value
	}
	return out
}
