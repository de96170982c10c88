// Package kvdata is the edge of a mirror to MySQL: it reads and writes the table kvData and, beside it, its own
// tables css_mirror_*, and tables of empty chunks. What is to be written, and when, is decided by the
// packages plan and mirror.
//
// # Capturing
//
// What others write into kvData can be captured: [InstallCapture] makes triggers that put each row which others change
// into css_mirror_inbox, in their transaction, and that can refuse drops of theirs. [Conn.Inbox] reads it, and a step
// with an [InboxStep] takes rows out of it, records in css_mirror_conflicts what etcd did not take, and changes nothing
// where others wrote a row that it writes. The triggers are silent on every connection of this package.
//
// # Reading
//
// [ReadState], [ReadTable], [ReadQuarantine], [ReadForeign], [ReadSurvey], [ReadCapture] and [ReadConflicts] say what a
// mirror left on a server, and [Find] what one would find there. Each connects for itself, writes nothing and holds
// nobody up. A read of several things is one consistent read.
//
// # Writing
//
// [Open] makes the tables that are missing, and refuses a server that cannot be written to as a mirror has to.
// [Conn.TakeOver] makes a mirror the one that may write. Each [Conn.Apply] is one transaction; it begins with moving on
// the revision in css_mirror_state, under the term that the take-over gave, so that of two mirrors only the last one
// writes.
//
// # Errors
//
// Errors of the driver come with their meaning: [ErrUnavailable] and those beside it are told apart with [errors.Is],
// and each message says what an operator can do.
package kvdata
