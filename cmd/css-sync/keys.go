package main

import (
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// parseRoot reads a key below which to look: "" and "/" are all, and a final slash does not count.
func parseRoot(arg string) (string, error) {
	key := strings.TrimSuffix(arg, "/")
	if key != "" && !strings.HasPrefix(key, "/") {
		return "", cli.BadInput("key %q must begin with a slash", arg)
	}
	return key, nil
}

// optional returns the only argument, or "".
func optional(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// checkRoot returns ErrNoSuchKey when there is nothing at a key nor below it, nor, when members of packed keys count,
// such a member.
func checkRoot(s *cssetcd.Snapshot, root string, unpacked bool) error {
	if root == "" {
		return nil
	}
	if _, err := s.UnpackedKey(root); err == nil && unpacked {
		return nil
	}
	if _, ok := s.Key(root); ok {
		return nil
	}
	for range s.Below(root) {
		return nil
	}
	return fmt.Errorf("%s: %w", root, cssetcd.ErrNoSuchKey)
}
