package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/leader"
	"github.com/qserv/css-etcd/internal/wait"
)

// retryAfter is between two tries of what etcd did not take.
const retryAfter = time.Second

// publish writes what is to be said for as long as this process is the one that does.
func (p *Publisher) publish(ctx context.Context, elected leader.Term) error {
	defer p.has(-1, 0)
	p.log.Info("this process publishes the inventory of the worker", "worker", p.worker)
	first, err := p.begin(elected)
	if err != nil {
		return err
	}
	for now, trouble := first, ""; ; {
		now, err = p.step(ctx, now)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			trouble = ""
			continue
		case errors.Is(err, kv.ErrGuard):
			err = errReplaced
		}
		if text := err.Error(); text != trouble {
			p.log.Warn("the inventory of the worker could not be written; trying again", "worker", p.worker, "err", err)
			trouble = text
		}
		p.has(-1, 0)
		now.unsure = true
		if err := wait.For(ctx, retryAfter); err != nil {
			return err
		}
	}
}

func (p *Publisher) begin(elected leader.Term) (term, error) {
	who, err := json.Marshal(Process{p.name, time.Now().UTC().Truncate(time.Second)})
	return term{path: csskey.InventoryOf(p.worker), who: string(who), lease: int64(elected.Lease),
		proof: []kv.Guard{{Kind: kv.CreateIs, Path: kv.Path(elected.Path), Revision: kv.Revision(elected.Created)}}}, err
}

// step writes the next change. Where there is none it waits until there may be one, and looks from time to time whether
// etcd still says what was written.
func (p *Publisher) step(ctx context.Context, now term) (term, error) {
	if now.unsure {
		return p.look(ctx, now)
	}
	want, version, changed := p.wanted()
	if c, next, ok := now.next(want); ok {
		var err error
		next.at, err = p.write(ctx, c)
		if err != nil {
			return now, err
		}
		return next, nil
	}
	p.has(version, now.at)
	look := time.NewTimer(p.ttl)
	defer look.Stop()
	select {
	case <-changed:
	case <-ctx.Done():
	case <-look.C:
		now.unsure = true
	}
	return now, nil
}

// write writes a change, and waits for that no longer than half the time after which the worker is taken for dead.
func (p *Publisher) write(ctx context.Context, c kv.Change) (kv.Revision, error) {
	ctx, cancel := context.WithTimeout(ctx, p.ttl/2)
	defer cancel()
	got, err := p.store.Commit(ctx, c)
	if err != nil {
		return 0, err
	}
	return got.Revision, nil
}

// look returns the term as etcd has it.
func (p *Publisher) look(ctx context.Context, now term) (term, error) {
	ctx, cancel := context.WithTimeout(ctx, p.ttl/2)
	defer cancel()
	s, err := p.store.Fetch(ctx, 0, kv.Tree(now.path)...)
	if err != nil {
		return now, err
	}
	has := said{}
	for path, e := range s.Range(kv.Below(now.path)) {
		has[string(path[len(now.path)+1:])] = e.Value
	}
	began := s.At(now.path).Value == now.who
	if now.began && !(began && maps.Equal(has, now.has)) {
		p.log.Warn("etcd does not say what was published for the worker; writing it anew", "worker", p.worker)
	}
	now.has, now.began, now.unsure = has, began, false
	return now, nil
}

// wanted returns what is to be said, and what is closed when that changes.
func (p *Publisher) wanted() (want said, version int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.want.texts, p.version, p.changed
}

// has says that etcd has a version, -1 for none, at a revision.
func (p *Publisher) has(version int, rev cssetcd.Revision) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reached != version {
		p.reached, p.revision = version, rev
		p.tell()
	}
}
