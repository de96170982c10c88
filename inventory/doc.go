// Package inventory says which chunks each worker can serve at this moment.
//
// The catalogue says where chunks are placed. That a node is to hold a chunk does not mean that it can serve it now:
// the worker may be down, or still loading. So each worker publishes what it serves, one set of chunks a database, and
// keeps that alive. When that process dies, all of it is gone from etcd within its time to live, [DefaultTTL] unless
// told otherwise, in one step.
//
// # Publishing
//
// A [Publisher] runs beside a worker. It is told what the worker serves, whole or chunk by chunk, and sees to it that
// etcd says the same:
//
//	p, err := inventory.NewPublisher(client, "worker-1")
//	...
//	err = p.Set("LSST", chunks)               // in memory
//	err = p.Change("LSST", loaded, dropped)   // what is said at once is written at once
//	err = p.Run(ctx)                          // writes, until ctx ends
//
// Of several processes of one worker one publishes. The others stand by, and take over: at once when it ends, within
// its time to live when it is killed. Each write is a transaction that is refused once its process has been replaced,
// so that none overwrites what another says.
//
// # Reading
//
// A [View] keeps the inventory of all workers in memory, with one watch. [View.State] is an atomic load, and a [State]
// is immutable. [Holders] answers where a chunk of a table is placed and alive:
//
//	nodes, err := inventory.Holders(catalogue.Snapshot(), workers.State(), table, chunk)
//
// The inventory is followed apart from the catalogue, so that czars that do not ask for it pay nothing for it. The two
// are not of one revision. That takes nothing away: when a worker was last heard of is never exactly now.
//
// Programs that do not speak etcd read the inventory of their worker from shared memory: see package shm.
package inventory
