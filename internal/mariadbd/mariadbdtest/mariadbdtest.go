// Package mariadbdtest has former names of package testkit.
package mariadbdtest

import "github.com/qserv/css-etcd/internal/testkit"

// Former names of what testkit has.
var (
	ForTest = testkit.MariaDB
	Require = testkit.RequireMariaDB
)
