package edge

import (
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
)

// Whole is all that a snapshot shows, what cannot be read as a table or database included.
func Whole(s *cssetcd.Snapshot) (observations []protocol.Observation) {
	for key, e := range s.Below(csskey.Databases) {
		if protocol.IsName(key) {
			observations = append(observations, protocol.Observation{Name: protocol.Name(key), Entry: protocol.EntryOf(e,
				s.Revision())})
		}
	}
	return observations
}

// Changed is what an update shows anew. Healed says that some of it is older than what was shown before.
func Changed(u cssetcd.Update) (observations []protocol.Observation, healed bool) {
	for _, k := range u.Keys {
		if protocol.IsName(k.Key) {
			observations = append(observations, protocol.Observation{Name: protocol.Name(k.Key), Entry: protocol.EntryOf(k.New,
				u.To.Revision())})
			healed = healed || k.New.Exists() && k.New.Mod <= u.From.Revision()
		}
	}
	return observations, healed
}
