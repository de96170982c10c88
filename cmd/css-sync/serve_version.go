package main

import (
	"context"
	"fmt"
	"strings"
)

// oldest are the first releases of etcd, by minor version, whose watches can be relied on: earlier ones lose or repeat events
// after a compaction or a change of member, or let a user read keys that are not theirs.
var oldest = map[int]int{5: 28, 6: 9, 7: 1}

// checkServers refuses to mirror from an etcd that is too old. Members that do not answer are left out.
func (d *daemon) checkServers(ctx context.Context) error {
	for _, e := range d.endpoints(ctx, d.css.etcd) {
		if e.OK && !recent(e.Version) {
			return fmt.Errorf("serve: etcd at %s is version %s, which is too old to be relied on; use 3.5.28, 3.6.9 or 3.7.1, or later ones",
				e.Endpoint, e.Version)
		}
	}
	return nil
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
