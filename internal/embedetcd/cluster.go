package embedetcd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/qserv/css-etcd/internal/freeport"
)

// StartCluster runs n members of one etcd on 127.0.0.1, each with a temporary
// directory, and returns when all of them serve. Only a majority survives the
// stop of a member, so n is 3 or another odd number. For tests: writes do not
// wait for the disk. The caller closes every member. When StartCluster fails
// it leaves nothing running.
func StartCluster(ctx context.Context, n int) ([]*Server, error) {
	return StartClusterWith(ctx, n, Options{UnsafeNoFsync: true})
}

// StartClusterWith is [StartCluster] with options for all members. Dir, Name
// and Listen must be empty: they differ from member to member.
func StartClusterWith(ctx context.Context, n int, opts Options) ([]*Server, error) {
	if n < 1 || opts.Dir != "" || opts.Name != "" || opts.Listen != "" {
		return nil, errors.New("embedetcd: a cluster needs at least one member and chooses directories, names and " +
			"addresses itself")
	}
	members := make([]*Server, 0, n)
	memberships, err := clusterOf(n)
	if err != nil {
		return nil, err
	}
	for i, m := range memberships {
		opts.Name = memberName(i)
		member, err := prepare(opts, m)
		if err != nil {
			return nil, errors.Join(err, closeAll(members))
		}
		members = append(members, member)
	}
	if err := RestartAll(ctx, members); err != nil {
		return nil, errors.Join(err, closeAll(members))
	}
	return members, nil
}

// RestartAll starts those of the members that are stopped, all at the same
// time, and returns when each of them serves or has failed. Restarting them
// one by one cannot work when a majority is down.
func RestartAll(ctx context.Context, members []*Server) error {
	return each(members, func(s *Server) error { return s.Restart(ctx) })
}

func closeAll(members []*Server) error {
	return each(members, (*Server).Close)
}

// each runs an action on all members at the same time and waits for all.
func each(members []*Server, action func(*Server) error) error {
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	for i, member := range members {
		wg.Go(func() {
			if err := action(member); err != nil {
				errs[i] = fmt.Errorf("member %s: %w", member.opts.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func memberName(i int) string { return "member-" + strconv.Itoa(i+1) }

// clusterOf returns what n members have to know of each other.
func clusterOf(n int) ([]membership, error) {
	peers := make([]url.URL, n)
	initial := make([]string, n)
	for i := range n {
		port, err := freeport.Pick()
		if err != nil {
			return nil, fmt.Errorf("embedetcd: choose a port: %w", err)
		}
		peers[i] = url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
		initial[i] = memberName(i) + "=" + peers[i].String()
	}
	token := rand.Text()
	members := make([]membership, n)
	for i := range n {
		members[i] = membership{peer: peers[i], listen: true, initial: strings.Join(initial, ","), token: token}
	}
	return members, nil
}
