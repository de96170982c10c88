package kv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// ErrOldServer says that an etcd server is too old to be relied on.
var ErrOldServer = errors.New("this version of etcd is too old to be relied on; use 3.5.28, 3.6.9 or 3.7.1, or " +
	"later ones")

// oldest are the first releases of etcd, by minor version, whose watches can be relied on: earlier ones lose or repeat
// events after a compaction or a change of member, or let a user read keys that are not theirs.
var oldest = map[int]int{5: 28, 6: 9, 7: 1}

// serverPatience is how long a server has to tell its version.
const serverPatience = 2 * time.Second

// CheckServers returns ErrOldServer when one of the client's endpoints is served by an etcd that is too old. Those that
// do not answer are left out.
func (s *Etcd) CheckServers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	var asking errgroup.Group
	for _, endpoint := range s.client.Endpoints() {
		asking.Go(func() error {
			status, err := s.client.Status(ctx, endpoint)
			if err == nil && !recent(status.Version) {
				return fmt.Errorf("etcd at %s is version %s: %w", endpoint, status.Version, ErrOldServer)
			}
			return nil
		})
	}
	return asking.Wait()
}

// recent reports whether a version of etcd is new enough. One that cannot be read is taken for a newer one.
func recent(version string) bool {
	var major, minor, patch int
	version, _, _ = strings.Cut(version, "-") // 3.8.0-alpha.0
	if n, _ := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); n < 3 {
		return true
	}
	if major != 3 || minor > 7 {
		return major >= 3
	}
	least, ok := oldest[minor]
	return ok && patch >= least
}
