package deletion

import (
	"context"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
)

// ChildrenError is an ErrHasChildren that names the tables that would stay.
type ChildrenError struct{ Children []cssetcd.TableName }

func (e *ChildrenError) Error() string {
	const most = 5
	var names []string
	for i, n := range e.Children {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(e.Children)-most))
			break
		}
		names = append(names, n.String())
	}
	return fmt.Sprintf("%v and would stay: %s", ErrHasChildren, strings.Join(names, ", "))
}

// Unwrap returns ErrHasChildren.
func (e *ChildrenError) Unwrap() error { return ErrHasChildren }

// Children returns the tables that cannot be queried any more after a drop of a table, "LSST.Object", or of a database,
// "LSST": those that are partitioned by it, or by a table of the database, or that match it, and are not dropped with
// it. Tables that are marked to be dropped themselves are left out, and so are those that cannot be read. It costs one
// read of what ties tables to each other, and of a table that is no director only its own. Drops check by themselves,
// unless they are forced.
func Children(ctx context.Context, css *cssetcd.Client, name string) ([]cssetcd.TableName, error) {
	n, err := ParseName(name)
	if err != nil {
		return nil, err
	}
	if db, table := n.Parts(); table != "" {
		t, err := css.Table(ctx, cssetcd.TableName{DB: db, Table: table})
		if err != nil || !edge.IsDirector(t) {
			return nil, nil // as far as anyone can tell; whether it is there is found out with the drop
		}
	}
	all, err := edge.Relations(ctx, css)
	if err != nil {
		return nil, err
	}
	return all.Children(n), nil
}
