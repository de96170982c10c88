package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Drops say how the daemon carries drops out.
type Drops struct {
	None           bool   // leave it to other daemons
	Command        string // program that removes the data of what was dropped; "": none
	CommandTimeout time.Duration
	Workers        []*mysql.Config // servers from which dropped tables are removed
	QMeta          *mysql.Config   // where C++ czars register their queries; nil: they are not tracked
	QMetaGrace     time.Duration
	KvData         *mysql.Config // where kvData is, which those czars read; set with QMeta
}

// dropper returns what removes data, and its name in the log.
func (f *Drops) dropper(log *slog.Logger) (coordinator.Dropper, string, error) {
	switch {
	case f.Command != "":
		return coordinator.Command{Path: f.Command, Timeout: f.CommandTimeout}, "the command " + f.Command, nil
	case len(f.Workers) > 0:
		d, err := sqldrop.New(sqldrop.Config{Servers: f.Workers, Logger: log})
		return d, cli.Count(len(f.Workers), "MySQL server"), err
	}
	return coordinator.Nothing{}, "nothing", nil
}

// coordinate carries drops out, while this process leads. Another daemon that leads meanwhile does it no harm.
func (d *daemon) coordinate(ctx context.Context) error {
	f := &d.Drops
	dropper, name, err := f.dropper(d.Log)
	if err != nil {
		return err
	}
	config := coordinator.Config{
		Catalogue: d.css.Client, View: d.view, Dropper: dropper, Name: cli.Owner(), TTL: d.SessionTTL, Logger: d.Log,
	}
	d.tellOfDrops(&config)
	if f.QMeta != nil {
		tracker, err := sqldrop.NewTracker(sqldrop.TrackerConfig{QMeta: f.QMeta, Applied: d.shown,
			Registration: f.QMetaGrace})
		if err != nil {
			return err
		}
		config.Tracker = &tellingTracker{QueryTracker: tracker, log: d.Log, said: map[cssetcd.Revision]string{}}
	}
	c, err := coordinator.New(config)
	if err != nil {
		return err
	}
	d.Log.Info("drops are carried out", "data_removed_by", name, "c++_czars_tracked", f.QMeta != nil)
	return c.Run(ctx)
}

// shown returns the revision that kvData shows. Revisions of another catalogue mean nothing.
func (d *daemon) shown(ctx context.Context) (cssetcd.Revision, error) {
	state, err := kvdata.ReadState(ctx, d.Drops.KvData)
	if err != nil {
		return 0, err
	}
	here, err := d.css.Identity(ctx)
	if err == nil && !SameCatalogue(state.Identity, here) {
		err = errors.New("kvData shows another catalogue")
	}
	return state.Applied, err
}

// tellingTracker logs what drops wait for: a tracker's reasons are known in the process that leads only.
type tellingTracker struct {
	coordinator.QueryTracker
	log  *slog.Logger
	mu   sync.Mutex
	said map[cssetcd.Revision]string // by mark
}

func (t *tellingTracker) Clear(ctx context.Context, job coordinator.Job) (bool, string, error) {
	clear, reason, err := t.QueryTracker.Clear(ctx, job)
	t.mu.Lock()
	defer t.mu.Unlock()
	text := reason
	if err != nil {
		text = err.Error()
	}
	switch {
	case clear:
		delete(t.said, job.Mark)
	case text != t.said[job.Mark] && ctx.Err() == nil:
		t.said[job.Mark] = text
		t.log.Info("a drop waits for queries of C++ czars", "name", jobName(job), "mark", int64(job.Mark), "reason", text)
	}
	return clear, reason, err
}

func jobName(job coordinator.Job) string {
	if job.Whole || len(job.Tables) == 0 {
		return job.Database
	}
	return fmt.Sprintf("%s.%s", job.Database, job.Tables[0].Table)
}

// SameCatalogue reports whether a mirror is of the catalogue here. One that began with an empty etcd does not know the
// history that was made later.
func SameCatalogue(mirrored, here cssetcd.Identity) bool {
	if mirrored.History == "" {
		mirrored.History = here.History
	}
	return mirrored == here
}
