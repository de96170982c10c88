// Package rig has what a benchmark works with: servers of its own, catalogues on them, views, mirrors, and how much is
// measured. Servers run as in production: every commit of etcd and of MariaDB waits for the disk, except where a large
// catalogue is only read.
package rig
