// Package deletion drops tables and databases of the catalogue without hurting a query that runs on them.
//
// # The race
//
// One czar marks a table to be dropped while another, which does not know yet, starts a query on it:
//
//	czar A                          czar B
//	                                plans a query on Object, which is READY
//	marks Object PENDING_DROP
//	waits "a small delay"
//	                                paused by its machine, or cut off from etcd, for longer than that
//	removes Object's data
//	                                sends chunk queries: "Table 'Object_1234' doesn't exist",
//	                                or rows of another Object that was created meanwhile
//
// No delay is long enough for that by itself. Here the drop waits for the delay, and for each czar to say that none of its queries uses the
// table, and a czar that cannot say so stops sending chunk queries by itself before the drop goes on without it. Queries on other tables never notice.
//
// # The two delays
//
// After(A): for A the table stays fully usable, and then a coordinator marks it; a lease of etcd keeps A, and nothing is marked if the table's revision is
// not the one that was asked about. Delay(D), the agreed delay: from the mark on no query begins, and for D, which another lease keeps, the drop can be cancelled; the
// revision P of the mark is what czars acknowledge and what the removal requires the table's key still to have. A lease of etcd can last longer than asked, when
// etcd's leader changes, never shorter.
//
// # A gate in a czar
//
// A czar opens one [Gate] beside its view, asks it before each query and before each chunk query, and releases what it was given when nothing of
// the query runs any more:
//
//	view, err := cssetcd.OpenView(ctx, css)
//	gate, err := deletion.OpenGate(ctx, css, view, deletion.CzarName("czar-1"))
//	defer gate.Close(ending)                  // before the view is closed; a context of its own, which the signal to end has not ended
//
//	table, err := view.Snapshot().Table(name) // planning: keep the *Table, it knows the incarnation
//	ref, err := gate.Admit(table)             // all tables of the query in one call
//	if errors.Is(err, deletion.ErrStale) { ... try again in a moment ... }
//	if err != nil { ... refuse the query with err ... }
//	defer ref.Release()                       // after the last result, or after all that was cancelled has ended
//	for _, chunk := range chunks {
//		err := ref.MayDispatch()
//		if errors.Is(err, deletion.ErrStale) { ... wait a moment and ask again, for as long as the query may take ... }
//		if err != nil { ... cancel what runs, wait for it, fail the query ... }
//		send(chunk, table.Incarnation)        // a repeated one, too, asks before
//	}
//
// A query whose table is dropped with the policy [Cancel] has the agreed delay like any other. If it still runs then, [Ref.Done] tells it to end with the next
// confirmation, 2 s later at most; while etcd cannot be reached it is told later, and the drop waits. What
// was told to end stays so, also when the drop is cancelled after that. None of these calls does I/O: Admit with Release
// costs some hundred nanoseconds, and no query writes to etcd. Each czar writes one small key every two seconds.
//
// What the errors mean to a czar:
//
//	ErrGone         the table was dropped, perhaps created again: plan anew
//	ErrDropPending  it is marked, or its database is: refuse the query, unless the drop is cancelled it cannot run
//	ErrNotReady     it is being made, or failed: refuse the query
//	ErrStale        this czar has had no word from etcd for H (60 s), or has not seen yet what was planned with: try again
//	ErrAborted      of MayDispatch: end the query
//	ErrClosed       the gate is closed or closing: refuse the query; of MayDispatch: end it
//	ErrReleased     of MayDispatch: it is asked after Release, or of what was never admitted: a mistake of the czar
//	ErrInvalid      (of cssetcd) what was given is not what is asked for: a mistake of the czar
//
// H, the fence, is for how long a czar goes on after a confirmation that it is registered; W, the wait, is for how long a registration is left alone after it was marked to be
// ended; see [Timing].
//
// A czar that is cut off from etcd goes on for H after its last accepted confirmation. Then Admit and MayDispatch return ErrStale until etcd answers,
// or Admit that a table is gone, marked or not ready, where the view showed that before;
// its queries need not be given up. Whether its registration was ended meanwhile or not, the gate then registers anew by itself, compares its tables with
// etcd, tells those queries to end whose tables are not READY any more or not the same, and the others go on.
// The registration that it had stays until its lease and W are over: Drops and Czars may show two of one name meanwhile, and drops that begin wait for both.
//
// # A full etcd, and one that was restored
//
// An etcd that is full (alarm NOSPACE) refuses writes and answers reads. A czar whose confirmation is refused for that reason reads its registration instead, linearizably, which
// proves as much: ending a registration is a write, too. Queries go on; drops wait, beginning one fails with ErrNoSpace, and a czar that has to register cannot, until there is room again. Close works: it deletes.
//
// An etcd that was restored from a backup knows nothing of the czars that registered, and of the drops that were cancelled, since the backup. A czar that notices registers anew and
// compares. One that does not, because etcd was away for so short that its proof still holds, is what a restore has to wait for: leave etcd away for H and a tenth, 66 s, or stop the czars. Then no gap
// between the restore and the new history (css-sync history-reset), and no revision that is given out again, lets a drop hurt a query. README says what to do, step by step.
//
// # Misuse
//
// What a czar does wrong has a defined answer, and none of it harms what is counted for others:
//
//	a Ref is copied                          all copies are one use; it cannot be compared, or be the key of a map
//	Release is called again, also by two     nothing happens: the first call of any copy counts
//	goroutines at once, or on a copy
//	MayDispatch after Release                ErrReleased
//	Done before Release                      the channel is closed by Release at the latest
//	Done after Release                       a channel that is closed
//	calls on the zero Ref, as Admit          as after Release: nothing, ErrReleased, a closed channel
//	returns with an error
//	Release is forgotten                     drops of the tables wait, Drops names the czar, and Close waits until its context ends;
//	                                         Client.Evict lets the drops go on: the query is told to end, and W later they do not wait
//	Release while chunk queries still run    cannot be noticed: they meet a table that may be gone
//	Admit for each table, one by one         each is a use of its own; the query may begin on some and be refused on others
//	Admit without tables                     admitted while this czar has a proof; it holds nothing up
//	Admit with a table named twice           counted twice, by Drops too, and released by one Release
//	Admit with a nil table, or one without   ErrInvalid, and nothing is counted
//	incarnation, as one made by hand
//	Admit of a table that was just created   ErrStale for a moment, also when View.WaitRevision has returned: the gate follows its view
//	Admit with a table of another prefix     ErrGone or ErrStale, since incarnations are revisions of the cluster; so try again for
//	                                         a bounded time only
//	Admit with a table of another cluster,   the same, unless name and incarnation agree by chance; that cannot be noticed
//	or of a file
//	Admit with a table of an old snapshot    that is what the gate is for: ErrGone, or admitted if it is still the same one
//	a table is changed after Admit           nothing happens: what it said at Admit counts
//	Admit after Close                        ErrClosed
//	OpenGate without client or view, or      ErrInvalid, and nothing is written
//	with a view of another catalogue, or
//	with an option that is nil or wrong
//	OpenGate with a view that was closed     ErrClosed, and no registration is left
//	OpenGate on an empty CSS, or on one      opened: the gate does not look at the version, a czar asks Snapshot.Version
//	whose version was raised since
//	a GateLogger that blocks                 the gate stands still meanwhile: for longer than H, it has no proof
//	two gates in one process                 two czars; each counts its own queries
//	the view is closed before the gate       the gate closes, and leaves when its last query is released; it sees no mark any more, so
//	                                         the policy Cancel does not end that query, and its drop waits
//	Close twice, or by two goroutines        both wait; after one has failed, all fail
//	Close while queries run                  waits for them; when its context ends it fails, Done is closed and MayDispatch returns ErrClosed
//	Close with a context that has ended      fails at once, and the registration stays: drops wait for alive and W together, 85 s
//	Close without a proof: cut off for H,    fails at once or soon: the registration may stay as long
//	or the etcd client was closed before
//	the zero Gate, or a copy of one          not for use: the first panics, go vet finds copies
//	a nil context                            a panic
//	a table is removed at once (Unsafe of    running queries are not told and not stopped; Admit returns ErrGone, or
//	cssetcd), or its database gets a status  ErrNotReady
//	by hand that is no PENDING_DROP:
//
// # What can still go wrong
//
// MayDispatch is asked before a chunk query is sent. A process that is paused between that and the sending for longer than its alive lease and W - H
// together (some 25 s with the defaults; W - H, 15 s, when somebody evicts it), is taken for gone, and what it then sends meets a table that may have been removed: the worker refuses it with a missing table, or, if
// the name is in use again, answers with rows of the new table. The same is true of chunk queries that a network held back for so long, of a machine whose clocks all stop
// while it is suspended, and of chunk queries of a czar that died, for which a drop waits alive and W together, 85 s, and no longer. A worker that is told the incarnation with each chunk query, as above, can close this
// window; Qserv's do not look at it today. Clocks that run more than a tenth too fast or too slow, and an etcd that loses what it acknowledged,
// void the promise for czars that are cut off; those that answer are still waited for.
//
// # Drops
//
// [Client] begins drops and looks at them, [Coordinator] carries them out; css-sync serve has one, and any number may run. A status PENDING_DROP: that is written by hand or by
// another program is a drop with the default delay. A drop can be cancelled until the catalogue has forgotten the table, the point of no return; what follows is the removal of data by a
// [Dropper], which is repeated until it succeeds. Only then is the name free.
//
// A drop waits for: the end of the delay; each czar that was registered at the mark, until it acknowledges or is registered no more; for a database, the drops of its tables; and a
// [QueryTracker], if there is one. A czar that is silent for longer than its lease (10 s) is ended, which takes W (75 s). [Client.Evict] begins that at once. [Client.Drops] says what each drop
// waits for, by name.
//
// # Czars in C++
//
// They do not speak the protocol, and read the mirrored table with each query. The QueryTracker of deletion/sqldrop waits until the mirror has applied the mark, then for the longest time that such a czar may take from
// reading the catalogue to registering its query in QMeta, and then for QMeta to be empty of queries on the table, twice. That is as good as that time is
// long, and no better: a czar that takes longer is missed.
//
// # Concurrency
//
// All methods may be called from several goroutines at once, those of one Ref and of its copies, too.
//
// The rules are pure functions in the package protocol, which are tried exhaustively, and simulated in package simulation, with each rule taken away in turn.
package deletion
