package rig

import (
	"context"
	"strings"

	"github.com/qserv/css-etcd/internal/lab/measure"
)

// Benchmark measures one thing, in one or several figures.
type Benchmark struct {
	Name    string // what it is selected by; the names of its results begin with it
	Summary string // what is compared with what, in a line
	MariaDB bool   // whether it needs the MariaDB server
	Run     func(ctx context.Context, r *Rig) ([]measure.Result, error)
}

// Matches tells whether a name is that of the benchmark, the beginning of it, or the name of one of its results.
func (b Benchmark) Matches(name string) bool {
	return name != "" && (strings.HasPrefix(b.Name, name) || strings.HasPrefix(name, b.Name+"-"))
}
