// Package cssetcd keeps the catalogue of a Qserv instance in etcd: what its query coordinators read for every query.
//
// # Words
//
//   - A czar is a query coordinator: it plans a query and sends the parts to workers.
//   - The CSS, Central State System, is the catalogue: databases, tables, partitioning, nodes and chunks.
//   - A CSS key is a path such as /DBS/lsst/TABLES/Object with a text as its value. The CSS is a set of them, and in
//     etcd each lies below a prefix, /qserv unless told otherwise. docs/FORMAT.md lists them.
//   - A status is the value of a database's or table's key: READY, or something that keeps queries away.
//   - A partitioning, or [Striping], is how databases cut the sky into chunks; several may share one.
//   - A [Family] is databases whose tables have the same names and schemas.
//   - A chunk is a piece of the sky and of every partitioned table, the unit that is placed on a [Node].
//   - A director table decides which chunk a row belongs to; its children follow it. A match table pairs rows of two
//     directors.
//   - A revision is etcd's number of the state after a transaction. It counts all of etcd, so it grows by one with each
//     transaction, and goes back only when etcd is restored from a backup.
//   - An incarnation is the revision at which a table or database was created: one that was dropped and created again
//     has another.
//   - A [Snapshot] is the CSS at one revision, in memory, immutable.
//
// # Reading
//
// A czar opens a [View] when it starts. The view loads the CSS and follows etcd from then on.
//
//	client, err := cssetcd.New(ctx, etcd) // etcd is a *clientv3.Client and stays yours to close
//	...
//	view, err := cssetcd.OpenView(ctx, client)
//	...
//	defer view.Close()
//
// For each query it takes one snapshot, and asks that and nothing else while it plans, so that all it reads is of one
// moment:
//
//	snapshot := view.Snapshot() // never blocks
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
// What is absent is nil: Partitioning of a table that every worker holds whole, SharedScan, Match, Striping. Programs
// that read now and then need no view: [Client.Table], [Client.Database], [Client.Node] and [Client.Chunks] cost one
// request each, and [Client.Snapshot] reads everything, also as it was at an older revision.
//
// While etcd cannot be reached the view shows what it saw last. A health check asks [View.Healthy], which returns an error when
// etcd has not confirmed for some time that the view is up to date; [View.Staleness] is that time, [View.Condition] says
// since when and why, and [View.Stats] has all of it for logs. The package cssprom hands that to Prometheus.
//
// Who must act on changes subscribes. A [Subscription] tells the net difference between what its owner saw last and
// what the view shows now. Its owner may be as slow as it likes: what changed several times meanwhile comes once.
//
//	subscription := view.Subscribe() // begins with what the view shows now
//	for {
//		update, err := subscription.Next(ctx) // waits
//		if err != nil {
//			return err // of ctx, or ErrClosed
//		}
//		for _, change := range update.Keys { // of CSS keys; update.To has the tables
//			...
//		}
//	}
//
// # Writing
//
// A method of [Client] is one operation. It returns the revision at which it took effect:
//
//	rev, err := client.CreateTable(ctx, cssetcd.Table{
//		Name:         cssetcd.TableName{DB: "lsst", Table: "Source"},
//		Schema:       "(sourceId BIGINT, objectId BIGINT)",
//		Partitioning: &cssetcd.Partitioning{DirDB: "lsst", DirTable: "Object", DirColumn: "objectId"},
//	})
//	...
//	snapshot, err := view.WaitRevision(ctx, rev) // the view shows it now
//
// Options make a write conditional, [IfStatus] and [IfRevision], or let it pass when there is nothing to do,
// [IfNotExists] and [IfExists]. A [Batch] makes one operation of several. [Client.AddChunks] adds more chunks than one
// transaction of etcd takes. [Client.Raw] reaches single keys, for tools.
// A [Dump] is the whole CSS as a JSON file in upstream's form: [Snapshot.WriteDump], [ParseDump] and [Client.Restore].
//
// The first creation of a database, node or raw key, or the first restore, makes an empty etcd a CSS. Before that,
// operations on what must be there return [ErrVersionMissing]. A snapshot of it is empty: a czar asks [Snapshot.Version]
// when it starts.
//
// # Consistency
//
//   - An operation happens as a whole or not at all. No reader sees a part of it, and none has to clean up after one
//     that failed. Two take many transactions: restoring, where tables and databases become usable only when they are
//     whole, and adding many chunks, where each chunk is whole.
//   - What an operation relied on is checked in its transaction. When somebody else changed it meanwhile, the operation
//     looks again and decides anew: callers see [ErrTableExists], never a lost race. Only one that is overtaken again
//     and again gives up, with [ErrContended].
//   - When the answer of etcd is lost, the operation finds out whether it happened. When it cannot, it says
//     [ErrOutcomeUnknown]; nothing is guessed and nothing is done twice.
//   - Reads of a Client are linearizable: they see every operation that had returned before they began.
//   - A View shows whole revisions, in order, a moment after etcd has them. It says how fresh it is ([View.Confirmed])
//     and waits on demand ([View.WaitRevision]). While etcd cannot be reached it keeps showing what it saw last.
//   - When etcd is restored from a backup, or replaced, a View follows it back, says so in [Update.Regressed], and
//     ends calls that wait with [ErrRegressed]. It knows by a lower revision or another cluster. An etcd of the same cluster
//     that has passed the old revision again before the View reaches it may go unnoticed; give a restored etcd a new
//     cluster token.
//   - The version of the CSS is checked in every operation: raising it stops programs that do not know the new one,
//     also those that are running. Reading a Snapshot is no operation: one that was loaded or followed shows the CSS
//     whatever its version. A czar that must stop then asks [Snapshot.Version] of each snapshot that it takes.
//
// Names that differ in upper and lower case only are refused, because the MySQL table that the C++ czars read cannot
// hold both.
//
// A table that no czar can query is refused with [ErrUnqueryable], unless [AllowUnqueryable] is given. [Unqueryable]
// finds those that came otherwise.
//
// Removing is immediate and takes no notice of queries. It is therefore refused while czars are registered, with
// [ErrCzarsRegistered], unless [Unsafe] is given. With czars, the package deletion drops
// what they use without hurting their queries.
//
// # Errors
//
// An operation or [View.WaitRevision] that fails returns an [*Error] that names itself and its object; [Subscription.Next]
// returns the bare cause. Test the cause with [errors.Is]: it has a kind, such as
// [ErrNoSuchTable], and most kinds have a parent, such as [ErrNotFound]. Operations on a table whose database is
// missing fail with both [ErrNoSuchTable] and [ErrNoSuchDB], its creation with [ErrNoSuchDB] only. A [*ValueError]
// names the key whose value cannot be read: it fails the reading of one table, not of its neighbours. [ErrUnavailable]
// and [ErrUnauthorized] are etcd's; the cause that it gave stays in the chain.
//
// Give every call a context that ends. Without that it waits for an etcd that is away as long as that takes.
//
// # Concurrency
//
// A [Client], a [View] and a [Snapshot] may be used by any number of goroutines. A [Subscription] and a [Batch] belong
// to one. What a Snapshot returns must not be changed. What a View runs in the background, Close ends and waits for;
// nothing else runs there.
//
// # Adding an operation
//
// An operation stands in the file of its noun: database.go, table.go, node.go, chunk.go. It consists of a function that
// returns it as a value, and of a method each on Client and [Batch] that hands it on. Suppose tables got a comment:
//
//	func setTableComment(n TableName, comment string, opts []WriteOption) operation {
//		set := operation{name: "set comment of table", object: n.String()}
//		if err := checkValue(n.commentKey(), comment); err != nil {
//			return set.withError(err)
//		}
//		return set.editing(n, keys(n.commentKey()), opts, func(e *edit) error {
//			e.set(n.commentKey(), comment)
//			return nil
//		})
//	}
//
//	func (c *Client) SetTableComment(ctx context.Context, n TableName, comment string, opts ...WriteOption) (Revision, error) {
//		return c.do(ctx, setTableComment(n, comment, opts))
//	}
//
// Behind editing there is a plan: a pure function from a snapshot of the keys that the operation declared it reads to
// the change that follows. It may be called several times and must not do anything else. Looking at a key that was not
// declared panics.
//
// Every key that was declared on its own, and every key that is put, is guarded without the plan's doing: nobody has
// changed it in between. A range, such as all below a key, is not guarded; what is concluded from one needs a guard by
// hand, as nothingBelow adds it. The edit adds missing ancestors, which have to be declared, too (ancestorSpans), and
// what must be kept beside the key.
//
// A field that is a member of a packed key is declared with recordSpans and written with setMembers, as
// [Client.SetSharedScan] does. What is not about one table declares its own reads and plan, as [Client.AddNode] does;
// setting and dropping do for a status and a removal what editing does for tables. What may be the first thing in an
// empty etcd says first.
//
// A new key gets its name in key.go, is written in encode.go and read in decode.go. It goes into docs/FORMAT.md, and
// into the tests that hold the bytes (golden_test.go).
package cssetcd
