// Package edge is what gates, clients and coordinators share where the protocol meets etcd: the store of a catalogue,
// reads of all records at one revision, what a view shows, and the clocks of a process.
package edge
