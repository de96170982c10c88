// Package embedetcd runs etcd inside this process: for "css-sync serve
// --data-dir", for the demo and the benchmark, and as one or three members for
// tests. It is the real server on real files and real sockets; what it leaves
// out is TLS and authentication, so it listens on the loopback address or on a
// unix socket unless told otherwise.
//
// # Stop and start
//
// [Server.Stop] ends a server and keeps its directory and its addresses;
// [Server.Restart] brings it back, as does a later [Start] on the same
// directory. A server that is stopped cuts its clients off with the gRPC code
// Unavailable, as an etcd that goes down does.
//
// # Errors
//
// [ErrInUse] when another server holds the directory, [ErrClosed] after
// [Server.Close]. An error that etcd cannot survive, such as a full disk, ends
// this process with a panic that names it, as it would end etcd.
//
// # Concurrency
//
// All methods may be called from several goroutines.
package embedetcd
