// Package embedetcdtest has former names of package testkit.
package embedetcdtest

import "github.com/qserv/css-etcd/internal/testkit"

// Former names of what testkit has.
var (
	ForTest        = testkit.Etcd
	ClusterForTest = testkit.Cluster
	Main           = testkit.Main
)
