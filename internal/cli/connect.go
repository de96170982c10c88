package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
)

// Catalogue is a connection to etcd and the CSS on it, or the CSS on a file.
type Catalogue struct {
	*cssetcd.Client
	Conn *clientv3.Client // nil: the CSS is on a file
}

// Close gives back the connection, or the lock of the file. There is nothing to lose with either.
func (c *Catalogue) Close() {
	_ = c.Client.Close()
	if c.Conn != nil {
		_ = c.Conn.Close()
	}
}

// Open opens the CSS where the flags say that it is: in etcd or on a file.
func (p *Program) Open(ctx context.Context, opts ...cssetcd.Option) (*Catalogue, error) {
	path, err := p.File.Path()
	switch {
	case err != nil:
		return nil, err
	case path != "":
		return p.OpenFile(path, opts...)
	}
	return p.Connect(ctx, opts...)
}

// Connect opens the CSS in etcd within the dial time-out.
func (p *Program) Connect(ctx context.Context, opts ...cssetcd.Option) (*Catalogue, error) {
	config, err := p.Connection.Config()
	if err != nil {
		return nil, &usageError{err: err}
	}
	dial, cancel := context.WithTimeout(ctx, config.DialTimeout)
	defer cancel()
	if err := probe(dial, config.Endpoints, config.TLS); err != nil {
		return nil, Hinted(err, "--endpoints says where etcd is, and CSS_SYNC_ENDPOINTS or ETCDCTL_ENDPOINTS do")
	}
	etcd, err := newEtcd(dial, config)
	if err != nil {
		return nil, err
	}
	opts = append(opts, cssetcd.WithPrefix(p.Connection.Prefix), cssetcd.WithLogger(p.Log))
	if p.Connection.author != "" {
		opts = append(opts, cssetcd.WithAuthor(p.Connection.author))
	}
	css, err := cssetcd.New(dial, etcd, opts...)
	if err != nil {
		_ = etcd.Close()
		return nil, connectError(err, config)
	}
	return &Catalogue{css, etcd}, nil
}

// newEtcd makes the client. With a user it asks etcd for a token, within what is left of the time-out.
func newEtcd(ctx context.Context, config clientv3.Config) (*clientv3.Client, error) {
	if deadline, ok := ctx.Deadline(); ok {
		config.DialTimeout = max(time.Until(deadline), time.Millisecond)
	}
	etcd, err := clientv3.New(config)
	switch {
	case err == nil:
		return etcd, nil
	case errors.Is(err, rpctypes.ErrAuthFailed):
		err = Hinted(fmt.Errorf("%w: wrong name or password for user %s", cssetcd.ErrUnauthorized, config.Username),
			"look at --user and CSS_SYNC_PASSWORD")
	}
	return nil, connectError(err, config)
}

// connectError says in a sentence why there is no connection although something answers at etcd's address.
func connectError(err error, config clientv3.Config) error {
	for _, answer := range []error{
		cssetcd.ErrUnauthorized, cssetcd.ErrInvalid, cssetcd.ErrVersionMismatch, rpctypes.ErrUserEmpty, rpctypes.ErrNoSpace,
	} {
		if errors.Is(err, answer) {
			return err
		}
	}
	err = fmt.Errorf("%w to etcd: %s: something is there but does not answer as etcd", ErrNoConnection,
		strings.Join(config.Endpoints, ", "))
	if config.TLS == nil {
		return Hinted(err, "if etcd wants TLS, give --cacert, and --cert and --key if it wants a client certificate")
	}
	return Hinted(err, "etcd may have no leader, or refuse the client's certificate")
}

// OnCatalogue runs a short command that reads: etcd may not be silent for longer than the command time-out.
func (p *Program) OnCatalogue(ctx context.Context, do func(context.Context, *Catalogue) error) error {
	return p.Shortly(ctx, do, cssetcd.WithReadOnly())
}

// Shortly runs a short command, which may write.
func (p *Program) Shortly(ctx context.Context, do func(context.Context, *Catalogue) error,
	opts ...cssetcd.Option) error {
	return p.AtLength(ctx, func(ctx context.Context, css *Catalogue) error {
		ctx, cancel := p.Limit(ctx)
		defer cancel()
		return do(ctx, css)
	}, opts...)
}

// Limit ends a context when etcd is silent for longer than the command time-out, if there is one.
func (p *Program) Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.Connection.commandTimeout == 0 {
		return context.WithCancel(ctx)
	}
	return p.Connection.Answers.Patience(ctx, p.Connection.commandTimeout)
}

// OnWhole runs a command that reads and takes as long as the catalogue is large; only connecting to it is bounded.
func (p *Program) OnWhole(ctx context.Context, do func(context.Context, *Catalogue) error) error {
	return p.AtLength(ctx, do, cssetcd.WithReadOnly())
}

// AtLength runs a command that takes as long as the catalogue is large, and may write.
func (p *Program) AtLength(ctx context.Context, do func(context.Context, *Catalogue) error,
	opts ...cssetcd.Option) error {
	css, err := p.Open(ctx, opts...)
	if err != nil {
		return err
	}
	defer css.Close()
	return do(ctx, css)
}

// WholeSnapshot loads the whole catalogue, which must be one.
func (c *Catalogue) WholeSnapshot(ctx context.Context, at cssetcd.Revision) (*cssetcd.Snapshot, error) {
	s, err := c.Snapshot(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := s.Version(); err != nil {
		return nil, err
	}
	return s, nil
}
