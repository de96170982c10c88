// Package inbox decides what becomes of the rows of kvData that others wrote, where both sides may write: C++ Qserv in
// MySQL and Go programs in etcd. It does no I/O. It is given what triggers captured, what etcd holds and what was
// decided before, and returns a change of etcd.
//
// # The parts
//
// A trigger on kvData notes each change that is not the mirror's own as a [Row] in a table, the inbox, within the
// writer's own transaction. A mirror reads the inbox and its revision in one statement, a [Snapshot]. Rows that it has
// not decided on yet it decides on in one transaction of etcd, [Snapshot.Decide]. Once no row is left to decide on, it
// takes one step: in one transaction of MySQL kvData becomes what etcd holds, and the rows that were decided on leave
// the inbox. A foreign change that etcd did not take is recorded by the same transaction, see [Taken.Conflicts].
//
// What was decided on stands in one key of etcd, [Path], which every deciding transaction reads and writes: [Taken]. So
// no row is decided on twice, whoever decides, and what a mirror that died has decided is known to the next one.
//
// # What is decided
//
// Rows that one connection wrote, rows of one key, and rows of keys of which one is above the other stand or fall
// together: a unit. A unit is taken when etcd still holds what kvData showed where it was written. Otherwise it is
// overruled as a whole: what was committed in etcd is never undone by someone who had not seen it. [Reason] lists why.
//
// The name of a database, table or node stands for an incarnation, its create revision. A change below a name is for
// the incarnation that kvData showed, and for no other one of the same spelling.
//
// # What does not follow from one transaction
//
// A removal with all below it is one range, however large. What creates or changes more than etcd takes at once goes
// piece by piece: first the new names, as DO_NOT_USE, then what is below them, and their own values last.
package inbox
