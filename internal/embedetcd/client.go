package embedetcd

import (
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Dir returns etcd's data directory.
func (s *Server) Dir() string { return s.dir }

// Endpoints returns the addresses for clients of this member, in the form that
// clientv3.Config takes. They stay the same over stops and restarts.
func (s *Server) Endpoints() []string { return []string{s.client.String()} }

// Failed returns a channel that yields an error when etcd ends by itself and
// is closed when it is stopped. It belongs to the current run; it is nil while
// the server is stopped.
func (s *Server) Failed() <-chan error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return nil
	}
	return s.run.etcd.Err()
}

// Client returns a new client of this member. The caller closes it. The client
// logs nothing and looks for a stopped server once a second, where the default
// would wait up to two minutes after a long outage. Client does not connect:
// it succeeds while the server is stopped.
func (s *Server) Client() (*clientv3.Client, error) {
	return newClient(s.Endpoints())
}

// ClusterClient returns a new client of all the given members; see
// [Server.Client].
func ClusterClient(members []*Server) (*clientv3.Client, error) {
	var endpoints []string
	for _, member := range members {
		endpoints = append(endpoints, member.Endpoints()...)
	}
	return newClient(endpoints)
}

func newClient(endpoints []string) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints,
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay:  50 * time.Millisecond,
				Multiplier: 1.6,
				Jitter:     0.2,
				MaxDelay:   time.Second,
			},
			MinConnectTimeout: time.Second,
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("embedetcd: make a client for %v: %w", endpoints, err)
	}
	return client, nil
}
