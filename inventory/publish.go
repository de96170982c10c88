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
	began := time.Now()
	for now, trouble := first, ""; ; {
		if p.yielding(time.Since(began)) && p.standsBy(ctx) {
			p.stepsBack()
			return leader.ErrStepBack
		}
		now, err = p.step(ctx, now)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			if trouble != "" && p.hasAll() {
				p.log.Info("the inventory of the worker is written again", "worker", p.worker)
				trouble = ""
			}
			continue
		case errors.Is(err, kv.ErrGuard):
			elected.Look()
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

// standsBy reports whether another process would publish.
func (p *Publisher) standsBy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, p.ttl/2)
	defer cancel()
	is, err := leader.StandsBy(ctx, p.store.Client(), p.key())
	return err == nil && is
}

func (p *Publisher) begin(elected leader.Term) (term, error) {
	who, err := json.Marshal(Process{p.name, time.Now().UTC().Truncate(time.Second)})
	return term{path: csskey.InventoryOf(p.worker), who: string(who), lease: int64(elected.Lease), unsure: true,
		proof: []kv.Guard{{Kind: kv.CreateIs, Path: kv.Path(elected.Path), Revision: kv.Revision(elected.Created)}}}, err
}

// step makes etcd say what is to be said now. Then it waits until that may be another thing, or until it is time to
// look whether etcd still says so.
func (p *Publisher) step(ctx context.Context, now term) (term, error) {
	if now.unsure || time.Since(now.looked) >= p.ttl {
		return p.look(ctx, now)
	}
	want, version, changed := p.wanted()
	for c, ok := now.next(want); ok; c, ok = now.next(want) {
		at, err := p.write(ctx, c)
		if err != nil {
			return now, err
		}
		now = now.after(c, at)
	}
	p.has(version, now.at)
	look := time.NewTimer(time.Until(now.looked.Add(p.ttl)))
	defer look.Stop()
	select {
	case <-changed:
	case <-ctx.Done():
	case <-look.C:
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
	next := now.found(s)
	if !now.unsure && (next.began != now.began || !maps.Equal(next.has, now.has)) {
		p.log.Warn("somebody changed in etcd what is published for the worker; writing it anew", "worker", p.worker)
		p.has(-1, 0)
	}
	next.looked = time.Now()
	return next, nil
}

// wanted returns what is to be said, and what is closed when that changes.
func (p *Publisher) wanted() (want said, version int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.want.texts, p.version, p.changed
}

// hasAll reports whether etcd has said all that was to be said, as far as is known.
func (p *Publisher) hasAll() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reached >= 0
}

// has says that etcd has a version, -1 for none, at a revision.
func (p *Publisher) has(version int, rev cssetcd.Revision) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reached != version || p.revision != rev {
		p.reached, p.revision = version, rev
		p.tell()
	}
}
