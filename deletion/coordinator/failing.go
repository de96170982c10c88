package coordinator

import "github.com/qserv/css-etcd/deletion/internal/protocol"

// failing is what did not succeed in the last round of a coordinator, and in this one. What fails is tried again in
// each round, for as long as etcd is full perhaps; it is logged when it begins to fail, and when it fails otherwise.
type failing struct{ last, now map[subject]string }

// subject is what an action is about: a czar, or a name and its mark.
type subject struct {
	kind protocol.ActionKind
	czar string
	name protocol.Name
	mark protocol.Revision
}

func subjectOf(a protocol.Action) subject {
	if a.ID != "" {
		return subject{kind: a.Kind, czar: a.ID}
	}
	return subject{kind: a.Kind, name: a.Name, mark: a.Mark}
}

// begin begins a round.
func (f *failing) begin() { f.last, f.now = f.now, map[subject]string{} }

// news notes that an action failed, and reports whether that is not what it did in the last round.
func (f *failing) news(a protocol.Action, err error) bool {
	of := subjectOf(a)
	f.now[of] = err.Error()
	return f.last[of] != f.now[of]
}
