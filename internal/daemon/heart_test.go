package daemon

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
)

// underSystemd is a program that systemd started.
func underSystemd(s *testkit.Systemd, more map[string]string) *cli.Program {
	return &cli.Program{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Getenv: func(name string) string {
		if name == "NOTIFY_SOCKET" {
			return s.Path
		}
		return more[name]
	}}
}

// TestReadyIsToldWhenTheMirrorHasBegun, and not before: here it has when it is looked at for the third time.
func TestReadyIsToldWhenTheMirrorHasBegun(t *testing.T) {
	t.Parallel()
	systemd := testkit.NewSystemd(t)
	d := &daemon{Program: underSystemd(systemd, nil), Config: Config{Targets: []Target{{Name: "a"}, {Name: "b"}}}}
	d.standing.standsBy("b")
	var looks atomic.Int32
	defer d.standing.leads("a", func() mirror.Status {
		if looks.Add(1) < 3 {
			return mirror.Status{Phase: mirror.Starting}
		}
		return mirror.Status{Phase: mirror.Waiting}
	})()
	require.NoError(t, d.tellReady(t.Context()))
	systemd.Await(ready)
	assert.EqualValues(t, 3, looks.Load())
}

// TestWatchdogIsSilentWhileTheDaemonHangs: a mirror that does not say how it stands is stuck.
func TestWatchdogIsSilentWhileTheDaemonHangs(t *testing.T) {
	t.Parallel()
	systemd := testkit.NewSystemd(t)
	css, err := cssetcd.New(t.Context(), testkit.SharedEtcdClient(), cssetcd.WithPrefix("/"+t.Name()))
	require.NoError(t, err)
	view, err := cssetcd.OpenView(t.Context(), css)
	require.NoError(t, err)
	defer view.Close()
	d := &daemon{Program: underSystemd(systemd, map[string]string{"WATCHDOG_USEC": "4000"}), view: view,
		Config: Config{Targets: []Target{{Name: "a"}}}}
	hangs, stuck, loose := atomic.Bool{}, make(chan struct{}), make(chan struct{})
	defer d.standing.leads("a", func() mirror.Status {
		if hangs.CompareAndSwap(true, false) {
			close(stuck)
			<-loose
		}
		return mirror.Status{}
	})()
	var h heart
	defer h.asks(d.answers)()
	ctx, cancel := context.WithCancel(t.Context())
	var beating sync.WaitGroup
	beating.Go(func() { h.beat(ctx, d.Program) })
	defer beating.Wait()
	defer cancel()

	systemd.Await(lives)
	hangs.Store(true)
	<-stuck // from here on it can say nothing
	silent := false
	for range 1000 { // what it had said before
		if _, heard := systemd.Hear(100 * time.Millisecond); !heard { // in which it would say it fifty times
			silent = true
			break
		}
	}
	assert.True(t, silent)
	systemd.Forget()
	close(loose)
	systemd.Await(lives)
}

func TestWatchdogTimeIsThatOfThisProcess(t *testing.T) {
	t.Parallel()
	for want, environment := range map[time.Duration]map[string]string{
		0:           {"WATCHDOG_USEC": "5000", "WATCHDOG_PID": "1"},
		time.Second: {"WATCHDOG_USEC": strconv.Itoa(int(time.Second / time.Microsecond))},
	} {
		p := &cli.Program{Getenv: func(name string) string { return environment[name] }}
		assert.Equal(t, want, watchdogTime(p))
	}
}
