// Package lab measures what this project promises about speed, on a private
// etcd and a private MariaDB of its own.
//
// A benchmark is a [rig.Benchmark], listed in [All]. It stands in a file of
// package catalogue or drops. Its Run gets a [rig.Rig]: servers, clients, sizes,
// and a way to take turns. What it measures becomes a [measure.Result], a ratio
// to a peer with a goal.
package lab
