// Package bench measures what this project promises about speed, on a private
// etcd and a private MariaDB of its own.
//
// # A ratio in one run
//
// No figure stands alone: each is the ratio between our side and a peer that
// does the same work in the plainest way, on the same servers, in the same run.
// The two take turns in blocks (ours, peer, ours, peer), after one block of each
// that is thrown away. The ratio is the median of the rounds' ratios: a
// disturbance of one round does not decide, and one that lasts meets both
// sides. Servers run as in production: every commit of etcd and of MariaDB waits
// for the disk, except where a large catalogue is only read.
//
// A figure that is about more than a ratio has further numbers, [Also], some of
// them with goals of their own.
//
// # A benchmark is one file
//
// It declares a [Benchmark], listed in [All], whose Run gets a [Rig]: servers,
// clients, sizes, and a way to take turns. What it measures becomes a [Result]
// with a goal. A missed goal is a result like any other, not an error.
package bench
