package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/inventory"
	"github.com/qserv/css-etcd/inventory/shm"
)

// SharedMemory says how to keep the inventory of a worker in shared memory.
type SharedMemory struct {
	Version string
	Worker  string
	File    string
}

// fileMode lets all processes of the machine read.
const fileMode = 0o644

// RunSharedMemory keeps a file in shared memory equal to what etcd says that a worker serves, until ctx ends.
func RunSharedMemory(ctx context.Context, p *cli.Program, config SharedMemory) error {
	block, err := shm.OpenWriter(config.File, config.Worker, fileMode)
	if err != nil {
		return cli.Hinted(err, "--file says where the inventory is; each worker has its own")
	}
	defer block.Close() // what matters has been written
	css, err := p.Connect(ctx)
	if err != nil {
		return err
	}
	defer css.Close()
	view, err := inventory.OpenView(ctx, css.Client, inventory.WithViewLogger(p.Log))
	if err != nil {
		return err
	}
	defer view.Close()
	k := &keeper{view: view, block: block, worker: config.Worker, p: p}
	k.keep()
	p.Log.Info("css-sync keeps the inventory of a worker in shared memory", "version", config.Version, "worker",
		config.Worker, "file", config.File, "prefix", p.Connection.Prefix)
	notify(p, ready)
	err = runAll(ctx, k.run, func(ctx context.Context) error { new(heart).beat(ctx, p); return nil },
		func(ctx context.Context) error { return warnUnknownWorker(ctx, p, css, config.Worker) })
	notify(p, stopping)
	p.Log.Info("css-sync stops")
	return err
}

// keeper keeps a block equal to a view. Only its goroutine uses the block.
type keeper struct {
	view    *inventory.View
	block   *shm.Writer
	worker  string
	p       *cli.Program
	written *inventory.State // what the block says; nil: that is not known
	said    string           // the trouble that was told last

	unreadable error // what of it could not be read
}

// confirmEvery is how often a block is told that it is still true, and is tried again to write.
const confirmEvery = time.Second

// run looks whenever the view shows something else, and from time to time.
func (k *keeper) run(ctx context.Context) error {
	for have := k.view.State(); ; {
		waiting, cancel := context.WithTimeout(ctx, confirmEvery)
		next, err := k.view.Next(waiting, have)
		cancel()
		switch {
		case err == nil:
			have = next
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		k.keep()
	}
}

// keep writes what the view shows, and tells what is wrong when that is another thing than before.
func (k *keeper) keep() {
	confirmed := time.Now().Add(-k.view.Staleness()) // before the state is taken: it shows no less
	err := k.write(k.view.State(), confirmed)
	if err == nil {
		k.said = ""
		return
	}
	if text := err.Error(); text != k.said {
		k.said = text
		k.p.Log.Warn("the inventory in shared memory is not kept as it should be; trying again", "err", cli.Sentence(err))
	}
}

// write makes the block say what a state does. A set that cannot be read is left out, and is in the error.
func (k *keeper) write(s *inventory.State, confirmed time.Time) error {
	if k.written != nil && s.SameAs(k.written, k.worker) && k.block.There() {
		k.block.Confirm(confirmed)
		return k.unreadable
	}
	sets := map[string]chunkset.Set{}
	k.written, k.unreadable = nil, nil
	for _, db := range s.Databases(k.worker) {
		set, err := s.Chunks(k.worker, db)
		if err != nil {
			k.unreadable = errors.Join(k.unreadable, err)
			continue
		}
		sets[db] = set
	}
	err := k.block.Write(shm.Image{Revision: int64(s.Revision()), Written: time.Now(), Sets: sets}, confirmed)
	if err != nil {
		return err
	}
	k.written = s
	return k.unreadable
}
