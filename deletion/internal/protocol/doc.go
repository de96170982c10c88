// Package protocol holds the rules by which a table or a database is dropped while queries run: what a czar and what a
// coordinator does next, as functions of what each has seen.
//
// The functions do no I/O, read no clock and start no goroutine. What runs in a czar and in css-sync, the exhaustive
// check and the simulator call the same ones. Each rule that the safety of the protocol rests on has a name, a [Rule],
// so that the checks can take it away and show what then goes wrong.
//
// # The protocol in short
//
// A mark writes the status PENDING_DROP and an intent in one transaction, of revision P. A czar that sees the mark
// admits no more queries on the incarnation, and when it counts none it acknowledges P. When the agreed delay has
// passed, and every czar that was registered at P has acknowledged or is registered no more, one transaction removes
// the table from the catalogue: the point of no return. Only then is data removed.
//
// A czar proves from time to time that it is still registered, by a write, and admits and dispatches only for a while
// after having sent the last proof that was accepted. So a registration can be ended without the czar: whoever ends it
// marks it first, from when on no proof succeeds, and waits longer than a proof lasts before it is deleted.
package protocol
