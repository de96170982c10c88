// Package kv is the core that the catalogue stands on: a key space read as values and written as values.
//
// A [Snapshot] is the key space, or a declared part of it, at one revision. It is immutable and is read without I/O. A
// [Change] is what one transaction does: guards that must hold, keys it puts and ranges it deletes. An [Op] is what an
// operation must see and a pure function from the [Snapshot] that shows it to the [Change] that follows. [Run] is the
// only place where the three meet a [Store]: it fetches, plans, adds the guards that nobody may forget, commits, and
// plans again when a guard failed. So an operation never loses a race: it sees what another one did and decides anew.
//
// There are two stores: [Etcd] and [Memory]. Both pass the same tests.
//
// # Guards
//
// Run derives two kinds of guard. Every key that an operation reads on its own (a [Span] of one key) and every key that
// it puts must still have, at commit, the ModRevision seen when planning, where 0 means absent. A plan adds by hand
// only what cannot be derived from that, for example [NothingBelow].
//
// # Outcomes
//
// A commit whose answer was lost may have happened, or be still on its way. Every transaction therefore writes a token
// under [CommitPath], and guards that [FencePath] has not changed. When an answer is lost, Run looks for the token in
// the history of CommitPath; where it is not there, Run puts FencePath and looks again up to the revision of that put:
// what has not happened by then fails by its guard, however late it arrives, even if all else is again as it was. So
// Run knows whether, and at which revision, a transaction took effect, and plans again only what did not. Only when
// that cannot be found out (the context has ended, etcd stays unreachable, the history was compacted) does Run return
// [ErrOutcomeUnknown].
//
// # History
//
// The value that carries the token is a [Commit]: it tells, too, who wanted what and when. It costs no key and no
// request.
package kv
