// Package deletion drops tables and databases of the catalogue without hurting a query that runs on them.
//
// A czar opens one [Gate] beside its view. It asks the gate before each query and before each chunk query, and releases
// what it was given when nothing of the query runs any more:
//
//	view, err := cssetcd.OpenView(ctx, css)
//	gate, err := deletion.OpenGate(ctx, css, view, deletion.CzarName("czar-1"))
//	defer gate.Close(ending)                  // before the view is closed; ending is a context of its own
//
//	table, err := view.Snapshot().Table(name) // planning: keep the *Table, it knows the incarnation
//	ref, err := gate.Admit(table)             // all tables of the query in one call
//	if errors.Is(err, deletion.ErrStale) { ... try again in a moment ... }
//	if err != nil { ... refuse the query with err ... }
//	defer ref.Release()                       // after the last result, or after all that was cancelled has ended
//	for _, chunk := range chunks {
//		err := ref.MayDispatch()              // before a repeated one, too
//		if errors.Is(err, deletion.ErrStale) { ... ask again in a moment, for as long as the query may take ... }
//		if err != nil { ... cancel what runs, wait for it, fail the query ... }
//		send(chunk, table.Incarnation)
//	}
//
// None of these calls does I/O. Admit with Release costs some hundred nanoseconds. No query writes to etcd; each czar
// writes one small key every two seconds. All methods may be called from several goroutines at once. What each error
// asks for stands at [ErrGone] and those after it.
//
// [Client] begins drops, shows them, and takes them back. Package coordinator, which czars do not import, carries them
// out; css-sync serve has one.
//
// # How a drop goes
//
// One transaction marks the table with a status PENDING_DROP: and records the drop. From the mark on no query begins.
// Leases of etcd keep the agreed delay, [Delay], and the time of [After]. They can last longer than asked, when etcd's
// leader changes, never shorter.
//
// The drop waits for the delay; for each czar that was registered at the mark, until it acknowledges or is registered
// no more; for the drops of its tables, if it is a database; and for queries of C++ czars, if the coordinator tracks
// those. [Client.Drops] says what each drop waits for, by name. Then the catalogue forgets the table, which is the
// point of no return; the coordinator removes the data, again and again until that succeeds; and only then is the name
// free.
//
// With the policy [Cancel], queries that still run after the delay are told to end by [Ref.Done], with the next
// confirmation, 2 s later at most. They stay told when the drop is cancelled after that.
//
// # A czar that is cut off
//
// A czar may act for H, the fence (60 s), after its last accepted confirmation. Then Admit and MayDispatch return
// ErrStale until etcd answers; its queries need not be given up. A czar that is silent for longer than its lease (10 s)
// is ended: nobody confirms it any more, and W, the wait (75 s), later its registration is deleted and drops go on.
// [Client.Evict] begins that at once. W is longer than H on any two clocks; see [Timing].
//
// A gate whose registration was ended registers anew by itself, compares its tables with etcd, and ends those queries
// whose tables are not READY any more or not the same. The others go on. The earlier registration stays until its lease
// and W are over: Czars may show two of one name meanwhile, and drops that begin wait for both.
//
// An etcd that is full (alarm NOSPACE) refuses writes. A czar then proves its registration by a linearizable read, so
// queries go on; drops wait, beginning one fails with ErrNoSpace, and no czar can register. Close works.
//
// An etcd that was restored from a backup does not know what happened since. A czar that notices registers anew. One
// whose proof still holds does not notice: so a restore has to keep etcd away for H and a tenth, 66 s, or stop the
// czars. The operator's manual says what to do, step by step.
//
// # Misuse
//
// Mistakes of a czar have defined answers, and none harms what is counted for others. [Gate.Admit], [Ref], [OpenGate]
// and [Gate.Close] say what they do with arguments that are wrong and calls that come late. Beside those:
//
//	Release is forgotten                drops of the tables wait and name the czar; Close waits until its context ends
//	Release while chunk queries run     cannot be noticed: they meet a table that may be gone
//	Admit for each table by itself      each is a use of its own; some may be refused
//	Admit of a table just created       ErrStale for a moment: the gate follows its view
//	Admit with an old snapshot's table  ErrGone, or admitted if it is still the same one
//	a GateLogger that blocks            the gate stands still; for longer than H, it has no proof
//	two gates in one process            two czars; each counts its own queries
//	the view is closed before the gate  the gate closes and leaves with its last query; Cancel does not end that query
//	Close without a proof               fails soon: the registration may stay for alive and W together, 85 s
//	the zero Gate, a copied Gate        a panic, or undefined; go vet finds copies
//	a table removed with cssetcd.Unsafe running queries are not told; Admit returns ErrGone
//
// # What can still go wrong
//
// A process that is paused between MayDispatch and the sending for longer than its lease and W - H together, some 25 s
// (W - H, 15 s, when it is evicted), is taken for gone. What it then sends meets a table that may have been removed:
// the worker refuses it, or, if the name is in use again, answers with rows of the new table. The same holds for chunk
// queries that a network held back for so long, for a machine whose clocks all stop while it is suspended, and for
// chunk queries of a czar that died, for which a drop waits 85 s. A worker that compares the incarnation with each
// chunk query can close this window; Qserv's do not today. Clocks that run more than a tenth wrong, and an etcd that
// loses what it acknowledged, void the promise for czars that are cut off; those that answer are still waited for.
package deletion
