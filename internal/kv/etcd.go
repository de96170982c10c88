package kv

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// etcd's default limits for one request. A server may be set otherwise; then its own refusal is reported.
const (
	maxTxnOps       = 128
	maxRequestBytes = 1536*1024 - 64*1024 // 1.5 MiB less what the encoding adds
)

// Etcd is a store on etcd: the path p is the key prefix + "/" + p.
type Etcd struct {
	client *clientv3.Client
	prefix string // ends with "/"
	author string
	times  followTimes
}

// NewEtcd returns the store below prefix, for example "/qserv". The client stays the caller's to close.
func NewEtcd(client *clientv3.Client, prefix string) (*Etcd, error) {
	if !strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") || strings.Contains(prefix, "//") {
		return nil, fmt.Errorf("prefix %q: must be one or more segments that each begin with a slash, as in /qserv", prefix)
	}
	if strings.Contains(prefix, "\x00") {
		return nil, fmt.Errorf("prefix %q: has NUL, which nobody can type", prefix)
	}
	return &Etcd{client: client, prefix: prefix + "/", times: usualTimes}, nil
}

// Catalogue is a client of a catalogue on etcd, as [Of] sees it.
type Catalogue interface {
	Etcd() *clientv3.Client
	Prefix() string
	Author() string
}

// Of returns the store that a client of a catalogue works on, for writing in its name.
func Of(c Catalogue) (*Etcd, error) {
	store, err := NewEtcd(c.Etcd(), c.Prefix())
	if err != nil {
		return nil, err
	}
	return store.By(c.Author()), nil
}

// By returns the store for somebody who writes through it.
func (s *Etcd) By(author string) *Etcd {
	by := *s
	by.author = author
	return &by
}

// Author implements [Store].
func (s *Etcd) Author() string { return s.author }

// Client returns the etcd client that the store uses.
func (s *Etcd) Client() *clientv3.Client { return s.client }

// closed tells when the etcd client was closed: asked all the same, it would try again and again.
func (s *Etcd) closed() error {
	if s.client.Ctx().Err() != nil {
		return fmt.Errorf("%w: the etcd client was closed", ErrClosed)
	}
	return nil
}

// failed is readError, and knows a client that was closed meanwhile.
func (s *Etcd) failed(err error) error {
	if closed := s.closed(); closed != nil && err != nil {
		return closed
	}
	return readError(err)
}

// Grant gets a lease of so many seconds, or of more where etcd knows no shorter one.
func (s *Etcd) Grant(ctx context.Context, seconds int64) (id int64, granted int64, err error) {
	lease, err := s.client.Grant(ctx, seconds)
	if err != nil {
		return 0, 0, fmt.Errorf("get a lease: %w", readError(err))
	}
	return int64(lease.ID), lease.TTL, nil
}

// EtcdKey returns the etcd key of a path.
func (s *Etcd) EtcdKey(p Path) string { return s.prefix + string(p) }

func (s *Etcd) path(key []byte) Path { return Path(key[len(s.prefix):]) }

// Fetch implements [Store] with one read-only transaction.
func (s *Etcd) Fetch(ctx context.Context, at Revision, spans ...Span) (*Snapshot, error) {
	if err := s.closed(); err != nil {
		return nil, err
	}
	resp, err := s.client.Txn(ctx).Then(s.gets(at, spans)...).Commit()
	if err != nil {
		return nil, s.failed(err)
	}
	if at == 0 {
		at = Revision(resp.Header.Revision)
	}
	return s.snapshot(at, spans, resp), nil
}

// Commit implements [Store] with one transaction.
func (s *Etcd) Commit(ctx context.Context, c Change) (*Snapshot, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	cmps, ops := s.compares(c.Guards), s.writes(c)
	gets := s.gets(0, c.Gets)
	for _, part := range []struct {
		what string
		n    int
		most int
	}{{"conditions", len(cmps), maxTxnOps}, {"keys and ranges", len(ops) + len(gets), maxTxnOps},
		{"bytes", s.size(c), maxRequestBytes}} {
		if part.n > part.most {
			return nil, fmt.Errorf("%w: it has %d %s, and %d is the most", ErrTooLarge, part.n, part.what, part.most)
		}
	}
	if err := s.closed(); err != nil {
		return nil, err
	}
	resp, err := s.client.Txn(ctx).If(cmps...).Then(append(ops, gets...)...).Else(gets...).Commit()
	if err != nil {
		return nil, commitError(err)
	}
	got := s.snapshot(Revision(resp.Header.Revision), c.Gets, resp)
	if !resp.Succeeded {
		return got, ErrGuard
	}
	return got, nil
}

func (s *Etcd) compares(guards []Guard) []clientv3.Cmp {
	cmps := make([]clientv3.Cmp, len(guards))
	for i, g := range guards {
		key := s.EtcdKey(g.Path)
		switch g.Kind {
		case Absent:
			cmps[i] = clientv3.Compare(clientv3.ModRevision(key), "=", 0)
		case ModIs:
			cmps[i] = clientv3.Compare(clientv3.ModRevision(key), "=", int64(g.Revision))
		case CreateIs:
			cmps[i] = clientv3.Compare(clientv3.CreateRevision(key), "=", int64(g.Revision))
		case ValueIs:
			cmps[i] = clientv3.Compare(clientv3.Value(key), "=", g.Value)
		case NothingBelow, NothingIn:
			// Compared over a range, etcd takes an empty range for one absent key.
			r := g.span()
			cmps[i] = clientv3.Compare(clientv3.CreateRevision(s.EtcdKey(r.From)), "=", 0).WithRange(s.EtcdKey(r.To))
		case UnchangedSince:
			cmps[i] = clientv3.Compare(clientv3.ModRevision(key), "<", int64(g.Revision)+1).WithRange(s.EtcdKey(g.To))
		default:
			panic(fmt.Sprintf("kv: unknown kind of guard %d", g.Kind))
		}
	}
	return cmps
}

func (s *Etcd) writes(c Change) []clientv3.Op {
	ops := make([]clientv3.Op, 0, len(c.Deletes)+len(c.Puts)+len(c.Gets))
	for _, d := range c.Deletes {
		ops = append(ops, clientv3.OpDelete(s.EtcdKey(d.From), s.rangeEnd(d)...))
	}
	for _, p := range c.Puts {
		var opts []clientv3.OpOption
		if p.Lease != 0 {
			opts = append(opts, clientv3.WithLease(clientv3.LeaseID(p.Lease)))
		}
		ops = append(ops, clientv3.OpPut(s.EtcdKey(p.Path), p.Value, opts...))
	}
	return ops
}

func (s *Etcd) gets(at Revision, spans []Span) []clientv3.Op {
	ops := make([]clientv3.Op, len(spans))
	for i, span := range spans {
		opts := s.rangeEnd(span)
		if at != 0 {
			opts = append(opts, clientv3.WithRev(int64(at)))
		}
		ops[i] = clientv3.OpGet(s.EtcdKey(span.From), opts...)
	}
	return ops
}

func (s *Etcd) rangeEnd(span Span) []clientv3.OpOption {
	if span.Single() {
		return nil
	}
	return []clientv3.OpOption{clientv3.WithRange(s.EtcdKey(span.To))}
}

// size estimates the bytes of the request from its strings and what protocol buffers add to each.
func (s *Etcd) size(c Change) int {
	const perItem = 32
	n := 0
	for _, g := range c.Guards {
		n += 2*len(s.prefix) + len(g.Path) + len(g.To) + len(g.Value) + perItem
	}
	for _, p := range c.Puts {
		n += len(s.prefix) + len(p.Path) + len(p.Value) + perItem
	}
	for _, d := range c.Deletes {
		n += 2*len(s.prefix) + len(d.From) + len(d.To) + perItem
	}
	return n
}

func (s *Etcd) snapshot(at Revision, spans []Span, resp *clientv3.TxnResponse) *Snapshot {
	b := NewSnapshot(at, spans...).Edit()
	for _, r := range resp.Responses {
		for _, e := range r.GetResponseRange().GetKvs() {
			b.Put(s.path(e.Key), entryOf(e))
		}
	}
	return b.Snapshot(at)
}

// readError gives etcd's refusals of a read the sentinel that belongs to them.
func readError(err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrCompacted):
		return fmt.Errorf("%w: %w", ErrCompacted, err)
	case errors.Is(err, rpctypes.ErrFutureRev):
		return fmt.Errorf("%w: %w", ErrFutureRevision, err)
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	switch code(err) {
	case codes.Unauthenticated, codes.PermissionDenied:
		return fmt.Errorf("%w: %w", ErrUnauthorized, err)
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	// The client reports a wrong password as an invalid argument.
	if errors.Is(err, rpctypes.ErrAuthFailed) || errors.Is(err, rpctypes.ErrUserEmpty) {
		return fmt.Errorf("%w: %w", ErrUnauthorized, err)
	}
	return err
}

// watchError is readError for a watch that etcd ended, whose reason comes as a text.
func watchError(err error) error {
	for _, refusal := range []error{rpctypes.ErrPermissionDenied, rpctypes.ErrInvalidAuthToken,
		rpctypes.ErrAuthOldRevision, rpctypes.ErrUserEmpty} {
		if strings.Contains(err.Error(), refusal.Error()) {
			return fmt.Errorf("%w: %w", ErrUnauthorized, err)
		}
	}
	return readError(err)
}

// commitError tells a commit that was refused from one whose answer is missing.
func commitError(err error) error {
	if errors.Is(err, rpctypes.ErrTooManyOps) || errors.Is(err, rpctypes.ErrRequestTooLarge) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	switch code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition,
		codes.ResourceExhausted, codes.OutOfRange, codes.Unimplemented, codes.NotFound:
		return readError(err)
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

func code(err error) codes.Code {
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		return e.Code()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	}
	return status.Code(err)
}
