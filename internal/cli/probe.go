package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// probe returns nil as soon as one of etcd's addresses takes a connection, and otherwise says of each why not. The etcd
// client by itself would look for ever, and not say for what.
func probe(ctx context.Context, endpoints []string, config *tls.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(endpoints))
	for _, e := range endpoints {
		go func() { results <- dial(ctx, e, config) }()
	}
	var faults []string
	for range endpoints {
		err := <-results
		if err == nil {
			return nil
		}
		faults = append(faults, err.Error())
	}
	return fmt.Errorf("%w to etcd: %s", ErrNoConnection, strings.Join(faults, "; "))
}

func dial(ctx context.Context, endpoint string, config *tls.Config) error {
	network, address, secure := parseEndpoint(endpoint, config != nil)
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return fmt.Errorf("%s: %w", endpoint, innermost(err))
	}
	defer conn.Close()
	if !secure {
		return nil
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	config.NextProtos = []string{"h2"}
	if err := tls.Client(conn, config).HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%s: TLS: %w", endpoint, innermost(err))
	}
	return nil
}

// parseEndpoint reads an address as the etcd client does: host:port with or without a scheme, or a unix socket.
func parseEndpoint(endpoint string, tlsGiven bool) (network, address string, secure bool) {
	for _, scheme := range []string{"unix", "unixs"} {
		if path, ok := strings.CutPrefix(endpoint, scheme+":"); ok {
			return "unix", strings.TrimPrefix(path, "//"), tlsGiven || scheme == "unixs"
		}
	}
	if u, err := url.Parse(endpoint); err == nil && strings.Contains(endpoint, "://") {
		return "tcp", u.Host, u.Scheme != "http" && tlsGiven
	}
	return "tcp", endpoint, tlsGiven
}

// innermost drops "dial tcp 127.0.0.1:1: connect: " before the reason.
func innermost(err error) error {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return errors.New("no such host")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &op) && op.Timeout():
		return errors.New("no answer in time")
	case errors.As(err, &op):
		if inner := errors.Unwrap(op.Err); inner != nil {
			return inner
		}
		return op.Err
	}
	return err
}
