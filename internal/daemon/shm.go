package daemon

import (
	"context"
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
	warnUnknownWorker(ctx, p, css, config.Worker)
	k := &keeper{view: view, block: block, worker: config.Worker, p: p}
	if err := k.write(view.State()); err != nil {
		return err
	}
	p.Log.Info("css-sync keeps the inventory of a worker in shared memory", "version", config.Version, "worker",
		config.Worker, "file", config.File, "prefix", p.Connection.Prefix)
	notify(p, ready)
	err = runAll(ctx, k.run, func(ctx context.Context) error { new(heart).beat(ctx, p); return nil })
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
}

// confirmEvery is how often a block is told that it is still true, and is tried again to write.
const confirmEvery = time.Second

func (k *keeper) run(ctx context.Context) error {
	tick := time.NewTicker(confirmEvery)
	defer tick.Stop()
	states := make(chan *inventory.State)
	next, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	defer func() {
		cancel()
		<-ended
	}()
	go func() { ended <- k.follow(next, states) }()
	for {
		select {
		case s := <-states:
			k.keep(s)
		case <-tick.C:
			k.keep(k.view.State())
			if k.written != nil {
				k.block.Confirm(k.confirmed())
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// confirmed returns when etcd was last heard to hold what the view shows.
func (k *keeper) confirmed() time.Time { return time.Now().Add(-k.view.Staleness()) }

// follow hands on each state that the view shows.
func (k *keeper) follow(ctx context.Context, states chan<- *inventory.State) error {
	for have := k.view.State(); ; {
		next, err := k.view.Next(ctx, have)
		if err != nil {
			return err
		}
		have = next
		select {
		case states <- next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keep writes a state, and tells when that fails for another reason than before.
func (k *keeper) keep(s *inventory.State) {
	err := k.write(s)
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != k.said && err != nil {
		k.p.Log.Warn("the inventory in shared memory could not be written; trying again", "err", cli.Sentence(err))
	}
	k.said = text
}

func (k *keeper) write(s *inventory.State) error {
	if k.written != nil && s.SameAs(k.written, k.worker) && k.block.There() {
		return nil
	}
	sets := map[string]chunkset.Set{}
	for _, db := range s.Databases(k.worker) {
		set, err := s.Chunks(k.worker, db)
		if err != nil {
			k.p.Log.Warn("a set of chunks cannot be read, and is left out", "database", db, "err", cli.Sentence(err))
			continue
		}
		sets[db] = set
	}
	k.written = nil
	err := k.block.Write(shm.Image{Revision: int64(s.Revision()), Written: time.Now(), Sets: sets},
		k.confirmed())
	if err == nil {
		k.written = s
	}
	return err
}
