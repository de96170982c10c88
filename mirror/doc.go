// Package mirror keeps Qserv's MySQL table kvData equal to a catalogue in etcd, for the czars that read the catalogue
// there.
//
// A [Mirror] takes the table over, compares all of it with the catalogue, and then follows a subscription: what one
// transaction changed in etcd changes in MySQL in one transaction. The package plan works out what rows the table
// holds, and the package kvdata reads and writes it; what a mirror left on a server is read there, too.
//
// # Consistency
//
// A reader that reads in one REPEATABLE READ transaction sees the catalogue as it was at one revision of etcd, or the
// table as it was before the mirror first wrote to it, but never half of an etcd transaction. The revision stands in
// the table css_mirror_state and is written by the same transaction as the rows.
//
// Every transaction begins by moving that revision on from what this mirror wrote last, under the term that this mirror
// was given when it took the table over. A mirror that was overtaken by another one, or whose last commit had an
// outcome other than it believes, moves nothing and writes nothing; it takes the table over again and compares all of
// it. So no decision rests on a lease, a clock, or on there being one mirror only. Two mirrors that both keep running
// take the table from each other again and again, which is harmless and slow; that there is one is for the caller to
// arrange.
//
// # What is written
//
// Rows of kvData, the tables css_mirror_state, css_mirror_quarantine, css_mirror_foreign and css_mirror_empty beside
// it, with [Config.Empty] tables of empty chunks, which follow apart from kvData, and nothing else. Rows that are as
// they should be are not touched and keep their kvId, because Qserv lists in the order of kvId. The tables, and the
// database, are made where they are missing.
//
// # Errors
//
// [ErrUnavailable], [ErrUnauthorized], [ErrFenced], [ErrBrake], [ErrIdentity], [ErrNotKvData], [ErrNewerFormat],
// [ErrNoMirror], [ErrPacket] and [plan.ErrNoIDs] are told apart with [errors.Is]. Each message says what an operator
// can do.
//
// # Concurrency
//
// Run and Once of one Mirror must not run at the same time, and the subscription is theirs. Status may be called at any
// time.
package mirror
