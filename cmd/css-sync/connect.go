package main

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

// catalogue is a connection to etcd and the CSS on it, or the CSS on a file.
type catalogue struct {
	*cssetcd.Client
	etcd *clientv3.Client // nil: the CSS is on a file
}

// close: there is nothing to lose with a connection, nor with a lock.
func (c *catalogue) close() {
	_ = c.Client.Close()
	if c.etcd != nil {
		_ = c.etcd.Close()
	}
}

// open opens the CSS where the flags say that it is: in etcd or on a file.
func (p *program) open(ctx context.Context, opts ...cssetcd.Option) (*catalogue, error) {
	path, err := p.file.path()
	switch {
	case err != nil:
		return nil, err
	case path != "":
		return p.openFile(path, opts...)
	}
	return p.connect(ctx, opts...)
}

// connect opens the CSS in etcd within the dial time-out.
func (p *program) connect(ctx context.Context, opts ...cssetcd.Option) (*catalogue, error) {
	config, err := p.connection.config()
	if err != nil {
		return nil, &usageError{err: err, help: "css-sync --help"}
	}
	dial, cancel := context.WithTimeout(ctx, config.DialTimeout)
	defer cancel()
	if err := probe(dial, config.Endpoints, config.TLS); err != nil {
		return nil, hinted(err, "--endpoints says where etcd is, and CSS_SYNC_ENDPOINTS or ETCDCTL_ENDPOINTS do")
	}
	etcd, err := newEtcd(dial, config)
	if err != nil {
		return nil, err
	}
	opts = append(opts, cssetcd.WithPrefix(p.connection.prefix), cssetcd.WithLogger(p.log))
	css, err := cssetcd.New(dial, etcd, opts...)
	if err != nil {
		_ = etcd.Close()
		return nil, connectError(err, config)
	}
	return &catalogue{css, etcd}, nil
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
		err = hinted(fmt.Errorf("%w: wrong name or password for user %s", cssetcd.ErrUnauthorized, config.Username), "look at --user and CSS_SYNC_PASSWORD")
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
	err = fmt.Errorf("%w to etcd: %s: something is there but does not answer as etcd", errNoConnection, strings.Join(config.Endpoints, ", "))
	if config.TLS == nil {
		return hinted(err, "if etcd wants TLS, give --cacert, and --cert and --key if it wants a client certificate")
	}
	return hinted(err, "etcd may have no leader, or refuse the client's certificate")
}

// onCatalogue runs a short command that reads: etcd may not be silent for longer than the command time-out.
func (p *program) onCatalogue(ctx context.Context, do func(context.Context, *catalogue) error) error {
	return p.shortly(ctx, do, cssetcd.WithReadOnly())
}

// shortly runs a short command, which may write.
func (p *program) shortly(ctx context.Context, do func(context.Context, *catalogue) error, opts ...cssetcd.Option) error {
	return p.atLength(ctx, func(ctx context.Context, css *catalogue) error {
		ctx, cancel := p.limit(ctx)
		defer cancel()
		return do(ctx, css)
	}, opts...)
}

// limit ends a context when etcd is silent for longer than the command time-out, if there is one.
func (p *program) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.connection.commandTimeout == 0 {
		return context.WithCancel(ctx)
	}
	return p.connection.answers.patience(ctx, p.connection.commandTimeout)
}

// onWhole runs a command that reads and takes as long as the catalogue is large; only connecting to it is bounded.
func (p *program) onWhole(ctx context.Context, do func(context.Context, *catalogue) error) error {
	return p.atLength(ctx, do, cssetcd.WithReadOnly())
}

// atLength runs a command that takes as long as the catalogue is large, and may write.
func (p *program) atLength(ctx context.Context, do func(context.Context, *catalogue) error, opts ...cssetcd.Option) error {
	css, err := p.open(ctx, opts...)
	if err != nil {
		return err
	}
	defer css.close()
	return do(ctx, css)
}

// snapshot loads the whole catalogue, which must be one.
func (c *catalogue) snapshot(ctx context.Context, at cssetcd.Revision) (*cssetcd.Snapshot, error) {
	s, err := c.Snapshot(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := s.Version(); err != nil {
		return nil, err
	}
	return s, nil
}
