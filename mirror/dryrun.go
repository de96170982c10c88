package mirror

import (
	"context"
	"fmt"

	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// DryRun says what [Mirror.Once] would do, and refuses what it would refuse, but writes nothing: no table is made and
// no other mirror is disturbed. What that one does meanwhile may make the numbers wrong. It does not look at
// privileges: who may only read can run it, and Once may still be refused.
func (m *Mirror) DryRun(ctx context.Context) (Result, error) {
	result, err := m.dryRun(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("mirror: %w", err)
	}
	return result, nil
}

func (m *Mirror) dryRun(ctx context.Context) (Result, error) {
	identity, err := m.cfg.Catalogue.Identity(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("ask etcd which catalogue it holds: %w", err)
	}
	found, err := kvdata.Find(ctx, m.cfg.Target, m.cfg.Timeout,
		kvdata.Claim{Name: m.cfg.Name, Identity: identity, Adopt: m.cfg.Adopt})
	if err != nil {
		return Result{}, err
	}
	to, err := m.cfg.Catalogue.Snapshot(ctx, 0)
	if err != nil {
		return Result{}, err
	}
	p, err := plan.Full(found.Table, to)
	if err != nil {
		return Result{}, err
	}
	e, err := evidence(ctx, m.cfg.Catalogue, found, p, to, false)
	if err != nil {
		return Result{}, err
	}
	if err := brake(found.Table, p, to, e, m.cfg.AllowMassDelete); err != nil {
		return Result{}, err
	}
	result := resultOf(p, to.Revision())
	if m.cfg.Empty != nil {
		result.EmptyChunks, _, err = compareEmpty(ctx, m.cfg.Target, m.cfg.Catalogue, found.Adopting)
	}
	return result, err
}
