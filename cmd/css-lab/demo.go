package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"
	etcdapi "go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/mirror"
)

func demoCommand(p *program) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use: "demo", Short: "See everything at work on this machine, in some seconds", GroupID: groupLab, Args: cli.Takes(),
		Long: `See everything at work on this machine: an etcd, a MariaDB and three czars are started for it, filled with a small invented sky
survey, and explained while they work. Nothing has to be prepared, nobody is asked, no other server is touched, and nothing is left behind.
Where MariaDB is not installed, what needs it is left out.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.Tidies.Store(true)
			defer p.Tidies.Store(false)
			return newDemo(p, keep).run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "go on running until Ctrl-C, and say how to connect")
	return cmd
}

// demo is one run of the demonstration. Its servers and czars are private to it.
type demo struct {
	page
	keep     bool
	database func(context.Context, mariadbd.Options) (*mariadbd.Server, error)

	etcdServer *embedetcd.Server
	etcd       *clientv3.Client
	css        *cssetcd.Client
	view       *cssetcd.View
	maria      *mariadbd.Server // nil: there is none on this machine
	target     *mysql.Config
	db         *sql.DB
	mirror     *mirror.Mirror
	czars      []*demoCzar
	drops      *deletion.Client
	dropper    coordinator.Dropper
	ran        tally // of the drop through the protocol

	closers []func() error // of what was started, the newest last
}

func newDemo(p *program, keep bool) *demo {
	return &demo{page: newPage(p), keep: keep, database: mariadbd.Start}
}

// run shows all steps and ends whatever they started, however they end.
func (d *demo) run(ctx context.Context) (err error) {
	ctx, stop := outlivingTerminal(ctx)
	defer stop()
	defer func() { err = errors.Join(err, d.close()) }()
	began := time.Now()
	d.title("Qserv's catalogue on etcd, mirrored to MySQL")
	steps := []func(context.Context) error{d.start, d.restore, d.mirrorAll, d.compare, d.startCzars, d.create, d.ingest,
		d.clash, d.check, d.dropAtOnce, d.dropInPeace}
	for _, step := range steps {
		if err := errors.Join(step(ctx), d.out.Err); err != nil {
			return err
		}
	}
	d.summary(time.Since(began))
	if d.keep {
		d.connections()
		<-ctx.Done()
		d.title("Stopping")
	}
	return d.out.Err
}

// outlivingTerminal keeps the process alive when its terminal, or who reads its output, is gone: what was started has
// to be stopped first. A terminal that is gone ends the context.
func outlivingTerminal(ctx context.Context) (context.Context, func()) {
	signal.Ignore(syscall.SIGPIPE) // writing fails instead
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	return ctx, func() {
		stop()
		signal.Reset(syscall.SIGPIPE)
	}
}

func (d *demo) onClose(f func() error) { d.closers = append(d.closers, f) }

func (d *demo) close() error {
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i]())
	}
	return errors.Join(errs...)
}

// start starts the servers.
func (d *demo) start(ctx context.Context) error {
	d.step("Start an etcd and a MariaDB of our own")
	began := time.Now()
	if err := d.startEtcd(ctx); err != nil {
		return err
	}
	d.fact(began, "etcd %s runs at %s", etcdapi.Version, d.etcdServer.Endpoints()[0])
	began = time.Now()
	err := d.startMariaDB(ctx)
	if errors.Is(err, mariadbd.ErrNotInstalled) {
		d.text("MariaDB is not installed, so the mirror is left out; the package mariadb-server brings it.")
		return nil
	}
	if err != nil {
		return err
	}
	var version string
	if err := d.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return fmt.Errorf("ask MariaDB for its version: %w", err)
	}
	d.fact(began, "MariaDB %s runs at %s", version, d.maria.Socket())
	return nil
}

func (d *demo) startEtcd(ctx context.Context) (err error) {
	// to start sooner
	if d.etcdServer, err = embedetcd.Start(ctx, embedetcd.Options{Tick: 20 * time.Millisecond}); err != nil {
		return err
	}
	d.onClose(d.etcdServer.Close)
	if d.etcd, err = d.etcdServer.Client(); err != nil {
		return err
	}
	d.onClose(d.etcd.Close)
	d.css, err = cssetcd.New(ctx, d.etcd)
	return err
}

func (d *demo) startMariaDB(ctx context.Context) (err error) {
	if d.maria, err = d.database(ctx, mariadbd.Options{}); err != nil {
		d.maria = nil
		return err
	}
	d.onClose(d.maria.Close)
	d.target = d.maria.Config(cli.DefaultDatabase)
	server, err := mysql.NewConnector(d.maria.Config(""))
	if err != nil {
		return err
	}
	d.db = sql.OpenDB(server)
	d.onClose(d.db.Close)
	return nil
}
