package status

import (
	"context"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// writers says who may write to the catalogue of a mirror of that name.
func (s *Status) writers(m *Mirror, name string) mirror.Writers {
	return mirror.WritersOf(s.shared[name], m.state)
}

// lookAtOthers fills in what a server says of others that write there.
func (m *Mirror) lookAtOthers(ctx context.Context, server *mysql.Config, s *Status) (err error) {
	if _, m.Foreign, err = kvdata.ReadForeign(ctx, server, 1); err != nil {
		return err
	}
	is, err := kvdata.ReadCapture(ctx, server)
	if err != nil {
		return err
	}
	m.Captured, m.RefusesDrops, m.Waiting, m.Conflicts = is.Installed, is.Refuses, is.Waiting, is.Conflicts
	if s.Etcd.OK && m.SameCatalogue != nil && *m.SameCatalogue {
		sides := mirror.Sides{Writers: s.writers(m, m.Name), Capture: is}
		m.Troubles = append(m.Troubles, sides.Troubles()...)
	}
	if m.Conflicts > 0 {
		m.Troubles = append(m.Troubles, mirror.ConflictsTrouble(m.Conflicts))
	}
	return nil
}
