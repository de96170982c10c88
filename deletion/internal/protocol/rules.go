package protocol

// Rule is one of the rules on which the safety of the protocol rests. Production keeps them all; a check that breaks
// one must see the protocol fail.
type Rule uint64

// The rules. Each says who keeps it.
const (
	// A coordinator deletes a registration no earlier than W after it saw that the registration was being ended.
	WaitBeforeDeleting Rule = 1 << iota
	// W is longer than what a proof lasts, with both clocks at their worst.
	WaitOutlastsProof
	// A proof is accepted only while the registration is as it was written.
	ProofNeedsRegistration
	// A proof dates from when it was sent, not from when it was answered.
	ProofDatesFromSending
	// A czar acknowledges the mark that it saw, P, and the intent must be that of P.
	AckNamesMark
	// A czar acknowledges only when it counts no query on the incarnation.
	AckOnlyDrained
	// The point of no return needs the table's key as the mark left it.
	ExecuteNeedsMark
	// The point of no return needs the agreed delay to be over.
	ExecuteNeedsDelay
	// A czar that registers anew sees the catalogue at or past its registration before its first proof.
	ResyncBeforeProof
	// Queries carried over from an earlier registration are ended where their incarnation is no longer ready.
	ResyncEndsCarried
	// Queries carried over live on the old proof until the new registration has one.
	CarriedKeepOldProof
	// Only a READY written after the mark opens an incarnation again.
	OpenOnlyByNewerReady
	// Of a name that a czar does not know, only what is newer than all that it has seen is news.
	UnknownWasNotThere
	// One count for each incarnation and process, whatever the registration.
	CountOutlivesRegistration
	// The czars to wait for are those that were registered at P, with a lease or without.
	WaitForRegistrations
	// That a czar is registered no more counts only when it was read at or past P.
	AbsenceReadAfterMark
	// A czar that leaves deletes its registration only without queries.
	LeaveOnlyDrained
	// After counting a query a czar looks again whether it has a proof.
	AdmitChecksProof
	// After counting a query a czar looks again whether what it uses is still ready in its snapshot.
	AdmitChecksSnapshot
	// A query is counted on the databases of its tables, too.
	AdmitCountsDatabase
	// A query is counted on all that it uses or on nothing.
	AdmitIsWhole
	// The point of no return needs the intent as it was read.
	ExecuteNeedsIntent
	// The point of no return of a database needs that no drop of a table in it is under way.
	DatabaseNeedsEmpty
	// A table is created or marked only in a database as it was read, with no intent to drop it.
	TableNeedsDatabase
	// A name is not used again before the drop of its last bearer has ended.
	CreateNeedsNoIntent
	// A coordinator's transactions need the key that it was elected with.
	LeaderProves
	// A czar's transactions need the history of etcd on which it registered.
	CzarNeedsHistory
	// The drop waits for the acknowledgements of the czars, and not only for the agreed delay.
	ExecuteNeedsAcks
	// Data are removed by incarnation and not by name.
	RemoveByIncarnation
	// The policy to abort queries counts only when the agreed delay is over.
	CancelNeedsDelay
	// A proof by reading is a linearizable read.
	ProofReadsLatest
	// A registration whose proof has run out is given up: etcd may have been set back meanwhile.
	LapsedRegistersAnew
	// What a czar sees of the catalogue when it registers is read from etcd anew, and not what its view shows.
	ResyncCompares
	// What a comparison shows to be older than what is known is of another history.
	OlderIsAnother

	lastRule = OlderIsAnother
)

// Rules says which rules are kept.
type Rules struct{ without Rule }

func (r Rules) keep(rule Rule) bool { return r.without&rule == 0 }

// Without returns the rules less some. It is for checks that show what goes wrong then.
func Without(rules Rule) Rules { return Rules{rules} }
