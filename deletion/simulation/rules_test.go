package simulation

import (
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// needNamed returns a rule by its name, none for "".
func needNamed(name string) need {
	for _, n := range needed {
		if n.name == name {
			return n
		}
	}
	return need{}
}

// needed are the rules, each with a seed whose world breaks without it, and what then breaks. SEARCH=1 looks for the
// seeds anew.
var needed = []need{
	{name: "WaitBeforeDeleting", rule: protocol.WaitBeforeDeleting, seed: 631, broken: "S2"},
	{name: "WaitOutlastsProof", rule: protocol.WaitOutlastsProof, seed: 8307, broken: "S2", tune: slowAtFirst},
	{name: "ProofNeedsRegistration", rule: protocol.ProofNeedsRegistration, seed: 80, broken: "S2"},
	{name: "ProofDatesFromSending", rule: protocol.ProofDatesFromSending,
		unseen: "no world of 30,000 has an answer that is late by as much as W exceeds a proof; the exhaustive check has"},
	{name: "AckNamesMark", rule: protocol.AckNamesMark, seed: 3, broken: "L4"},
	{name: "AckOnlyDrained", rule: protocol.AckOnlyDrained, seed: 1, broken: "S2"},
	{name: "ExecuteNeedsMark", rule: protocol.ExecuteNeedsMark, seed: 9, broken: "S4"},
	{name: "ExecuteNeedsDelay", rule: protocol.ExecuteNeedsDelay, seed: 4, broken: "S4"},
	{name: "ResyncBeforeProof", rule: protocol.ResyncBeforeProof, seed: 6944, broken: "S2"},
	{name: "ResyncEndsCarried", rule: protocol.ResyncEndsCarried, seed: 2094, broken: "S2"},
	{name: "CarriedKeepOldProof", rule: protocol.CarriedKeepOldProof, seed: 1010, broken: "S2", tune: blindlyAnew},
	{name: "OpenOnlyByNewerReady", rule: protocol.OpenOnlyByNewerReady, seed: 3, broken: "S8"},
	{name: "UnknownWasNotThere", rule: protocol.UnknownWasNotThere, seed: 34, broken: "S8"},
	{name: "CountOutlivesRegistration", rule: protocol.CountOutlivesRegistration, seed: 457, broken: "S2"},
	{name: "WaitForRegistrations", rule: protocol.WaitForRegistrations, seed: 38, broken: "S2"},
	{name: "AbsenceReadAfterMark", rule: protocol.AbsenceReadAfterMark, seed: 416, broken: "S2"},
	{name: "LeaveOnlyDrained", rule: protocol.LeaveOnlyDrained, seed: 643, broken: "S2"},
	{name: "AdmitChecksProof", rule: protocol.AdmitChecksProof, seed: 721, broken: "S1"},
	{name: "AdmitChecksSnapshot", rule: protocol.AdmitChecksSnapshot, seed: 1, broken: "S1"},
	{name: "AdmitCountsDatabase", rule: protocol.AdmitCountsDatabase, seed: 1, broken: "S2"},
	{name: "AdmitIsWhole", rule: protocol.AdmitIsWhole, seed: 1, broken: "S2"},
	{name: "ExecuteNeedsIntent", rule: protocol.ExecuteNeedsIntent,
		unseen: "nothing changes an intent while the mark stands, so ExecuteNeedsMark refuses all that this would"},
	{name: "DatabaseNeedsEmpty", rule: protocol.DatabaseNeedsEmpty, seed: 14, broken: "S4"},
	{name: "TableNeedsDatabase", rule: protocol.TableNeedsDatabase, seed: 1, broken: "S7"},
	{name: "CreateNeedsNoIntent", rule: protocol.CreateNeedsNoIntent, seed: 7, broken: "S7"},
	{name: "LeaderProves", rule: protocol.LeaderProves, seed: 64, broken: "S9"},
	{name: "CzarNeedsHistory", rule: protocol.CzarNeedsHistory, seed: 2306, broken: "S2", tune: endedTwice},
	{name: "ExecuteNeedsAcks", rule: protocol.ExecuteNeedsAcks, seed: 1, broken: "S2"},
	{name: "CancelNeedsDelay", rule: protocol.CancelNeedsDelay, seed: 4, broken: "S10"},
	{name: "ProofReadsLatest", rule: protocol.ProofReadsLatest,
		unseen: "no world of 30,000 has a full etcd, a member that lags and an ending at the same time; the exhaustive " +
			"check has"},
	{name: "LapsedRegistersAnew", rule: protocol.LapsedRegistersAnew, seed: 3, broken: "S2", tune: restored},
	{name: "ResyncCompares", rule: protocol.ResyncCompares, seed: 648, broken: "S2", tune: restored},
	{name: "OlderIsAnother", rule: protocol.OlderIsAnother,
		unseen: "no world of 30,000 has a mark that was undone since the backup and is acknowledged in it; the exhaustive " +
			"check has"},
	{name: "RemoveByIncarnation", rule: protocol.RemoveByIncarnation, seed: 17, broken: "S5"},
}

type need struct {
	name   string
	rule   protocol.Rule
	seed   uint64
	broken string       // the invariant
	tune   func(*world) // makes the world likelier to show it
	unseen string       // why no world here shows it
}

// restored has an etcd that is restored and keeps the name of its history for long, while queries go on as soon as they
// may.
func restored(w *world) {
	w.options.stubborn, w.options.longest, w.options.gap, w.options.renames = true, 2*timing.Wait, 2*timing.Wait, false
	if !w.options.restores {
		w.at(nil, w.between(w.options.chaos/4, w.options.chaos), w.restore)
	}
}

// slowAtFirst has proofs that last longer than W does later.
func slowAtFirst(w *world) {
	w.etcd.configure(slowTiming)
	w.at(nil, w.between(0, w.options.chaos/2), func() { w.etcd.configure(timing) })
}

// endedTwice has a registration ended at the same revision of two histories: a coordinator that saw the first ending
// takes the second for it, and waits no more. That is safe only because no proof was accepted in between.
func endedTwice(w *world) {
	w.options.bumps, w.options.stubborn, w.options.longest = false, true, 2*timing.Wait
	c, dropped := w.czars[0], protocol.TableName("A", "x")
	const cut = 3*time.Second + 3*time.Second // less than a proof lasts
	w.at(nil, 5*time.Second, func() {
		c.view.blind = w.now + 10*timing.Wait
		w.mark(dropped, 0)
	})
	w.at(nil, 8*time.Second, func() {
		id := c.state.ID
		if id == "" {
			return
		}
		c.cutUntil = w.now + cut
		w.endNow(id)
		ended := w.etcd.now.Revision
		w.after(nil, 3*time.Second, func() { w.etcd.downUntil = w.now + 3*time.Second })
		w.after(nil, cut, func() {
			back := int(w.etcd.now.Revision-ended) + 3 + w.rng.IntN(4)
			if len(w.etcd.past) > back {
				w.etcd.restore(back)
				w.etcd.resetHistory()
				w.endAt(id, ended)
			}
		})
	})
}

// endAt ends a registration by the transaction of that revision.
func (w *world) endAt(id string, revision kv.Revision) {
	switch {
	case w.etcd.now.Revision == revision-1:
		w.endNow(id)
	case w.etcd.now.Revision < revision:
		w.after(nil, time.Millisecond, func() { w.endAt(id, revision) })
	}
}

func (w *world) endNow(id string) {
	op := protocol.Evict(id, "an operator")
	have := w.etcd.read(op.Reads...)
	if c, err := op.Plan(have); err == nil && c.Writes() {
		_, _ = w.etcd.commit(op.Name, derive(c, have, op.Reads)) // nothing comes in between
	}
}

// blindlyAnew has czars register anew while their views lag and their queries go on.
func blindlyAnew(w *world) {
	w.options.longest, w.options.stubborn = 2*timing.Wait, true
	for _, c := range w.czars {
		w.at(nil, w.between(0, w.options.chaos), func() {
			if c.dead || c.state.ID == "" {
				return
			}
			id := c.state.ID
			w.operate(func() kv.Op { return protocol.Evict(id, "an operator") }, nil)
			c.view.blind = w.now + 4*timing.Wait
			w.after(nil, timeout, func() { c.cutUntil = w.now + w.between(timing.Fence/2, timing.Wait) })
		})
	}
}
