// Package plan works out what must change in Qserv's table kvData so that it shows a catalogue. It does no I/O: it is
// given the rows of the table and an image of the catalogue and returns a [Plan], whose statements someone else
// executes.
//
// # What the table shows
//
// The table has a row for every key of the catalogue, for every ancestor of a key (with an empty value where the
// ancestor is not a key itself), and always for the root, the empty key, for /DBS and for /NODES, without which Qserv's
// listings fail. The parent of a row is the row of its key without the last segment. That is a function of the
// catalogue alone, but for the ids of the rows: a row that is there keeps its id, because Qserv lists in the order of
// ids.
//
// # What the table cannot hold
//
// As Qserv makes the table, the key is CHAR(255) and the value TEXT, both in three-byte UTF-8 and compared by a
// collation that ignores case, accents and trailing spaces; [Columns] says what a table has. A key that does not fit is
// put in quarantine, with a [Reason], and so is everything below it: it has no row, rather than a wrong, shortened or
// outdated one, and all other keys go on. Among keys that the collation cannot keep apart the oldest has the row: the
// one with the smallest create revision, or, where it is no key itself but above some, that of the first key below it.
//
// # Concurrency
//
// Planning only reads the [Table] and [Table.Apply] changes it. A Table belongs to one goroutine at a time; a [Weights]
// may be shared.
package plan
