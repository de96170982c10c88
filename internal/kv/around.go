package kv

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Holes says what a read leaves out: it returns the range that p lies in, and false for a path that is wanted.
type Holes func(p Path) (hole Span, in bool)

const (
	gapKeys  = 256 // keys that one range between two holes is read for at once; more are streamed
	gapRange = 100 // ranges in one request
	gapAhead = 4   // requests on their way at once, and answers that wait to be taken in
)

// LoadAround reads spans at one revision, but for the holes in them. What lies in holes that are known beforehand is
// not read at all, so that the answer costs what it holds; what lies in others is read and thrown away, and they are
// returned as met. Known holes must be holes. The snapshot panics when it is asked for what lies in a hole, known or
// not, and its ranges pass over holes.
func (s *Etcd) LoadAround(ctx context.Context, at Revision, holes Holes, known []Span, spans ...Span) (have *Snapshot,
	met []Span, err error) {
	start := NewSnapshot(at, spans...)
	start.holes = holes
	l := around{s: s, at: at, holes: holes, into: start.Edit(), values: interner{}}
	if err := l.run(ctx, slices.Collect(slices.Chunk(gaps(spans, known), gapRange))); err != nil {
		return nil, nil, err
	}
	return l.into.Snapshot(at), l.met, nil
}

type around struct {
	s      *Etcd
	at     Revision
	holes  Holes
	into   *Builder
	values interner
	met    []Span // each once, as they come in order
}

// run takes the parts in, in their order, while the next ones are asked for.
func (l *around) run(ctx context.Context, parts [][]Span) error {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	answers := make([]chan ranges, len(parts))
	asked := 0
	for i, part := range parts {
		for ; asked < min(i+gapAhead, len(parts)); asked++ {
			answer, part := make(chan ranges, 1), parts[asked]
			answers[asked] = answer
			asking.Go(func() { answer <- l.ask(ctx, part) })
		}
		got := <-answers[i]
		answers[i] = nil // what it holds may go
		if got.err != nil {
			return got.err
		}
		if err := l.takeAll(ctx, part, got.responses); err != nil {
			return err
		}
	}
	return nil
}

// ranges is the answer to a request for many.
type ranges struct {
	responses []*etcdserverpb.ResponseOp
	err       error
}

// ask asks for many short ranges at once. An etcd that was set to take fewer ranges in a request is asked for less at a
// time.
func (l *around) ask(ctx context.Context, part []Span) ranges {
	ops := make([]clientv3.Op, len(part))
	for i, gap := range part {
		opts := append(l.s.rangeEnd(gap), clientv3.WithRev(int64(l.at)), clientv3.WithLimit(gapKeys))
		ops[i] = clientv3.OpGet(l.s.EtcdKey(gap.From), opts...)
	}
	resp, err := l.s.client.Txn(ctx).Then(ops...).Commit()
	err = readError(err)
	switch {
	case errors.Is(err, ErrTooLarge) && len(part) > 1:
		half := len(part) / 2
		first := l.ask(ctx, part[:half])
		if first.err != nil {
			return first
		}
		second := l.ask(ctx, part[half:])
		return ranges{append(first.responses, second.responses...), second.err}
	case err != nil:
		return ranges{err: err}
	}
	return ranges{responses: resp.Responses}
}

// takeAll takes ranges in, and streams the rest of those that turn out to be long.
func (l *around) takeAll(ctx context.Context, part []Span, responses []*etcdserverpb.ResponseOp) error {
	for i, r := range responses {
		got := r.GetResponseRange()
		for _, e := range got.Kvs {
			_ = l.take(e) // never fails
		}
		if got.More {
			from := l.s.path(got.Kvs[len(got.Kvs)-1].Key) + "\x00"
			rest := loader{s: l.s, span: Span{From: from, To: part[i].To}, at: l.at, heard: func() {}, each: l.take}
			if err := rest.run(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *around) take(e *mvccpb.KeyValue) error {
	p := l.s.path(e.Key)
	hole, in := l.holes(p)
	switch {
	case !in:
		l.into.append(p, l.values.entry(e))
	case len(l.met) == 0 || l.met[len(l.met)-1] != hole:
		l.met = append(l.met, hole)
	}
	return nil
}

// gaps returns what the spans have outside of the holes, in byte order.
func gaps(spans, holes []Span) []Span {
	byFrom := func(a, b Span) int { return strings.Compare(string(a.From), string(b.From)) }
	spans, holes = slices.SortedFunc(slices.Values(spans), byFrom), slices.SortedFunc(slices.Values(holes), byFrom)
	var all []Span
	for _, span := range spans {
		if span.Single() {
			all = append(all, span)
			continue
		}
		from := span.From
		first, _ := slices.BinarySearchFunc(holes, Span{From: from}, byFrom)
		if first > 0 { // the one before may reach into the span
			first--
		}
		for _, hole := range holes[first:] {
			if hole.From >= span.To {
				break
			}
			if from < hole.From {
				all = append(all, Span{From: from, To: hole.From})
			}
			from = max(from, hole.To)
		}
		if from < span.To {
			all = append(all, Span{From: from, To: span.To})
		}
	}
	return all
}

// Any reports for each of the spans whether a key of it exists at a revision.
func (s *Etcd) Any(ctx context.Context, at Revision, spans ...Span) ([]bool, error) {
	found := make([]bool, 0, len(spans))
	for part := range slices.Chunk(spans, gapRange) {
		ops := make([]clientv3.Op, len(part))
		for i, span := range part {
			opts := append(s.rangeEnd(span), clientv3.WithRev(int64(at)), clientv3.WithLimit(1), clientv3.WithKeysOnly())
			ops[i] = clientv3.OpGet(s.EtcdKey(span.From), opts...)
		}
		resp, err := s.client.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return nil, readError(err)
		}
		for _, r := range resp.Responses {
			found = append(found, len(r.GetResponseRange().Kvs) > 0)
		}
	}
	return found, nil
}
