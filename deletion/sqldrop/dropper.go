package sqldrop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/errlist"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// Dropper removes tables from MySQL servers. It keeps no connection open between calls and needs no closing.
type Dropper struct {
	config   Config
	at       func(server *mysql.Config, step string) // called before each statement of an attempt
	patience time.Duration                           // a server that does not answer for longer is told
}

// usualPatience is for how long a server may be at one step before that is told.
const usualPatience = 5 * time.Second

var _ coordinator.Dropper = (*Dropper)(nil)

// New returns a Dropper. It does not connect.
func New(config Config) (*Dropper, error) {
	config, err := config.validated()
	if err != nil {
		return nil, fmt.Errorf("sqldrop: %w", err)
	}
	return &Dropper{config, func(*mysql.Config, string) {}, usualPatience}, nil
}

// Drop removes the tables of a job from all servers, at the same time from each. It returns nil when all of them are
// gone everywhere, and may be called again with the same job at any time: it never touches a table of a later
// incarnation, nor one that the catalogue holds. A server that fails does not keep the others from being tried, nor
// does a table; what a server does not answer about, and what failed, it tells while it goes on. The errors are those
// of the package, or one that says that the job is not one.
//
// An end of ctx ends the connections. The statements under way go on in the servers; the next call finds out what
// became of them.
func (d *Dropper) Drop(ctx context.Context, job coordinator.Job) error {
	if err := checkJob(job); err != nil {
		return fmt.Errorf("sqldrop: %w", err)
	}
	p := newProgress(d.config.Servers)
	stop := p.tell(job.Tell, d.patience)
	defer stop()
	errs := make([]error, len(d.config.Servers))
	var servers sync.WaitGroup
	for i, server := range d.config.Servers {
		servers.Go(func() {
			errs[i] = d.dropFrom(ctx, server, job, &p.servers[i])
			p.servers[i].end()
		})
	}
	servers.Wait()
	var faults *multierror.Error
	for i, err := range errs {
		if err != nil {
			faults = multierror.Append(faults, fmt.Errorf("sqldrop: the MySQL server %s: %w", d.config.Servers[i].Addr, err))
		}
	}
	return errlist.Join(faults)
}

// reserved are the schemas in which no table of a catalogue can be.
var reserved = []string{"mysql", "information_schema", "performance_schema", "sys", markers}

// checkJob refuses jobs for which the names of tables and marks would not be what they are meant to be.
func checkJob(job coordinator.Job) error {
	if job.Database == "" {
		return errors.New("the job names no database")
	}
	if slices.Contains(reserved, strings.ToLower(job.Database)) {
		return fmt.Errorf("the database %s is the server's own or holds the marks of drops; nothing is removed from it",
			job.Database)
	}
	for _, t := range job.Tables {
		if t.Table == "" {
			return fmt.Errorf("a table of the job in the database %s has no name", job.Database)
		}
		if t.Incarnation <= 0 {
			return fmt.Errorf("the table %s.%s of the job has the incarnation %d; it must be positive", job.Database, t.Table,
				t.Incarnation)
		}
	}
	return nil
}

// maxFaults is how many tables an error of one server names.
const maxFaults = 20

// dropFrom removes the tables from one server. A table that fails does not keep the others from being tried; those to
// which a foreign key of another one refers are tried again when that one is gone.
func (d *Dropper) dropFrom(ctx context.Context, server *mysql.Config, job coordinator.Job, p *serverProgress) error {
	if len(job.Tables) == 0 {
		return nil
	}
	grant := "`" + fmt.Sprintf("GRANT CREATE, DROP, ALTER, INSERT ON %s.* TO ...", mysqlconn.QuoteName(job.Database)) +
		"`, and the same on " + markers
	p.at("", "connect")
	s, err := openAttempt(ctx, server, d.config.LockWait)
	if err != nil {
		err = explain(server.User, grant, err)
		p.failed(err)
		return err
	}
	defer s.Close()
	remove := func(tables []coordinator.JobTable) (left []coordinator.JobTable, faults []error) {
		for i, t := range tables {
			err := d.dropTable(ctx, s, server, job, t, p)
			if err == nil {
				continue
			}
			err = fmt.Errorf("remove %s.%s: %w", job.Database, t.Table, explain(server.User, grant, err))
			left, faults = append(left, t), append(faults, err)
			p.failed(err)
			if !ofTheTable(err) {
				return append(left, tables[i+1:]...), faults
			}
		}
		return left, faults
	}
	left, faults := remove(job.Tables)
	if slices.ContainsFunc(faults, func(err error) bool { return errors.Is(err, ErrReferenced) }) &&
		len(left) == len(faults) {
		p.again()
		_, faults = remove(left)
	}
	return someOf(faults)
}

// someOf joins the first of some faults.
func someOf(faults []error) error {
	var all *multierror.Error
	all = multierror.Append(all, faults[:min(len(faults), maxFaults)]...)
	if more := len(faults) - maxFaults; more > 0 {
		all = multierror.Append(all, fmt.Errorf("and %d more tables", more))
	}
	return errlist.Join(all)
}

// dropTable removes one table from one server.
func (d *Dropper) dropTable(ctx context.Context, s *session, server *mysql.Config, job coordinator.Job,
	t coordinator.JobTable, p *serverProgress) error {
	a := &attempt{s, job.Database, t, job, marksOf(job, t), func(step string) {
		p.at(job.Database+"."+t.Table, step)
		d.at(server, step)
	}}
	dropped, err := a.run(ctx)
	if err != nil {
		return err
	}
	d.config.Logger.Info("table removed", slog.String("server", server.Addr), slog.String("database", job.Database),
		slog.String("table", t.Table), slog.Int64("incarnation", int64(t.Incarnation)), slog.Int("tables", dropped))
	return nil
}
