package kv

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

const (
	pageKeys     = 10_000 // keys a page for servers that cannot stream; ten times smaller pages take three times as long
	loadAttempts = 3      // how often a load is tried when compaction overtakes it
)

// Load reads one span, of any size, at one revision: the newest when at is 0. Servers from 3.7 on stream it; older ones
// are read in pages, all pinned to the revision of the first. Where compaction overtakes that, the newest state is read
// without holding on to a revision. It returns the snapshot and the id of the cluster.
func (s *Etcd) Load(ctx context.Context, at Revision, span Span) (*Snapshot, uint64, error) {
	snapshot, cluster, _, err := s.load(ctx, at, span, func() {})
	return snapshot, cluster, err
}

// load is Load that calls heard whenever a part arrives. It also returns the values that the snapshot shares.
func (s *Etcd) load(ctx context.Context, at Revision, span Span, heard func()) (*Snapshot, uint64, interner, error) {
	snapshot, cluster, values, err := s.loadPinned(ctx, at, span, heard)
	for attempt := 1; at == 0 && errors.Is(err, ErrCompacted) && attempt < loadAttempts; attempt++ {
		snapshot, cluster, values, err = s.loadMoving(ctx, span, heard)
	}
	return snapshot, cluster, values, err
}

func (s *Etcd) loadPinned(ctx context.Context, at Revision, span Span, heard func()) (*Snapshot, uint64, interner,
	error) {
	into, values := NewSnapshot(0, span).Edit(), interner{}
	l := loader{s: s, span: span, at: at, heard: heard, each: func(e *mvccpb.KeyValue) error {
		into.append(s.path(e.Key), values.entry(e))
		return nil
	}}
	if err := l.run(ctx); err != nil {
		return nil, 0, nil, err
	}
	return into.Snapshot(l.at), l.cluster, values, nil
}

// loader reads a span in order, whatever its size, and passes on each key.
type loader struct {
	s       *Etcd
	span    Span
	at      Revision // that of the reading; 0 until it is known
	heard   func()
	each    func(*mvccpb.KeyValue) error
	cluster uint64
}

func (l *loader) run(ctx context.Context) error {
	if err := l.s.closed(); err != nil {
		return err
	}
	err := l.stream(ctx)
	if code(err) == codes.Unimplemented {
		err = l.pages(ctx)
	}
	return l.s.failed(err)
}

func (l *loader) options() []clientv3.OpOption {
	opts := l.s.rangeEnd(l.span)
	if l.at != 0 {
		opts = append(opts, clientv3.WithRev(int64(l.at)))
	}
	return opts
}

// stream reads everything in one streamed answer. Its last part carries the header, with the revision that was read.
func (l *loader) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	chunks, err := l.s.client.GetStream(ctx, l.s.EtcdKey(l.span.From), l.options()...)
	if err != nil {
		cancel()
		return err
	}
	defer func() { // the client's goroutine ends only when its channel has been read to the end
		cancel()
		for range chunks { //nolint:revive // draining
		}
	}()
	done := false
	for c := range chunks {
		if err := c.Err(); err != nil {
			return err
		}
		if err := l.part((*clientv3.GetResponse)(c.RangeResponse)); err != nil {
			return err
		}
		if h := c.RangeResponse.GetHeader(); h != nil && h.Revision != 0 {
			done = true
			l.cluster = h.ClusterId
			if l.at == 0 {
				l.at = Revision(h.Revision)
			}
		}
	}
	if !done {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fmt.Errorf("etcd ended the stream of %s early", l.span)
	}
	return nil
}

// pages reads page after page.
func (l *loader) pages(ctx context.Context) error {
	return l.s.eachPage(ctx, l.span, l.options, l.page)
}

// page takes a page in. Only the first page's header tells the revision: those of later pages are the server's newest.
func (l *loader) page(resp *clientv3.GetResponse) error {
	if l.cluster != 0 && l.cluster != resp.Header.ClusterId {
		return fmt.Errorf("etcd was replaced while it was read: the cluster is %x and was %x", resp.Header.ClusterId,
			l.cluster)
	}
	l.cluster = resp.Header.ClusterId
	if l.at == 0 {
		l.at = Revision(resp.Header.Revision)
	}
	return l.part(resp)
}

// eachPage reads a span page after page, each with the options of the moment.
func (s *Etcd) eachPage(ctx context.Context, span Span, options func() []clientv3.OpOption,
	call func(*clientv3.GetResponse) error) error {
	from := s.EtcdKey(span.From)
	for {
		resp, err := s.client.Get(ctx, from, append(options(), clientv3.WithLimit(pageKeys))...)
		if err != nil {
			return err
		}
		if err := call(resp); err != nil {
			return err
		}
		if !resp.More {
			return nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

func (l *loader) part(resp *clientv3.GetResponse) error {
	l.heard()
	for _, e := range resp.Kvs {
		if err := l.each(e); err != nil {
			return err
		}
	}
	return nil
}

// append sets a key that is, as a rule, the greatest so far, which is the quick case of a load in order.
func (b *Builder) append(p Path, e Entry) { b.tree.Load(item{p, e}) }
