package status

import (
	"cmp"
	"context"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// writers says who may write to the catalogue of a mirror of that name.
func (s *Status) writers(m *Mirror, name string) mirror.Writers {
	return mirror.WritersOf(s.modes[name], m.state)
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
	name := cmp.Or(m.Name, mirror.DefaultName)
	sides := mirror.Sides{Writers: s.writers(m, name), Unfinished: s.modes[name].Unfinished, Capture: is}
	switch {
	case sides.Unfinished != nil: // it explains all else
		m.Troubles = sides.Troubles()
	case s.Etcd.OK && m.SameCatalogue != nil && *m.SameCatalogue:
		m.Troubles = append(m.Troubles, sides.Troubles()...)
	}
	if m.Conflicts > 0 {
		m.Troubles = append(m.Troubles, mirror.ConflictsTrouble(m.Conflicts))
	}
	return nil
}
