// Package cssetcd keeps the catalogue of a Qserv instance, the CSS, in etcd: typed operations that happen as a whole or
// not at all, and a live view of the whole catalogue in memory.
//
// A czar, which is a query coordinator, opens a [View] when it starts, and takes one [Snapshot] for each query. It asks
// that and nothing else while it plans, so that all it reads is of one moment:
//
//	client, err := cssetcd.New(ctx, etcd) // etcd is a *clientv3.Client and stays yours to close
//	...
//	view, err := cssetcd.OpenView(ctx, client)
//	...
//	defer view.Close()
//
//	snapshot := view.Snapshot() // for each query; never blocks
//	table, err := snapshot.Table(cssetcd.TableName{DB: "lsst", Table: "Object"})
//	switch {
//	case errors.Is(err, cssetcd.ErrNotFound):
//		return fmt.Errorf("table %s does not exist", name)
//	case err != nil: // its values cannot be read; the other tables can
//		return err
//	case !table.Status.Ready():
//		return fmt.Errorf("table %s is not ready", name)
//	}
//
// # The types
//
//   - [View] follows etcd. [View.Healthy] is for a health check, [View.Subscribe] for who must act on changes.
//   - [Snapshot] is the catalogue at one revision, immutable: databases, tables, columns, chunks, nodes, single keys.
//   - [Client] writes, and reads now and then without a view. A [Batch] makes one operation of several.
//   - [Table], [Database], [Chunk] and [Node] are what is read and written. What is absent is nil.
//   - [Status] is the value of a database's or table's key: READY, or something that keeps queries away.
//   - [Revision] is etcd's number of the state after a transaction. Every write returns the one at which it took
//     effect, and [View.WaitRevision] waits until a view shows it.
//
// For tools there are [Client.Raw], single CSS keys such as /DBS/lsst/TABLES/Object; [Dump] with [Client.Restore], the
// whole CSS as JSON in upstream's form; [Family] and [Relation], what databases have in common; and [Unqueryable].
// docs/FORMAT.md lists the keys.
//
// # Errors
//
// An operation that fails returns an [*Error] that names itself and its object. Test its cause with [errors.Is]: a kind
// such as [ErrNoSuchTable], or its parent, such as [ErrNotFound]. Operations on a table whose database is missing fail
// with both [ErrNoSuchTable] and [ErrNoSuchDB], its creation with [ErrNoSuchDB] only. A [*ValueError] names the key
// whose value cannot be read: it fails the reading of one table, not of its neighbours. [Subscription.Next] returns the
// bare cause.
//
// Give every call a context that ends. Without that it waits for an etcd that is away as long as that takes.
//
// # Concurrency
//
// A [Client], a [View] and a [Snapshot] may be used by any number of goroutines; a [Subscription] and a [Batch] belong
// to one. What a Snapshot returns must not be changed. What a View runs in the background, Close ends and waits for;
// nothing else runs there.
package cssetcd
