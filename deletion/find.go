package deletion

import (
	"context"
	"errors"
)

// Find returns a drop or a request that somebody began, by its name, to wait for it. It returns ErrNoDrop.
func (c *Client) Find(ctx context.Context, name string) (*Drop, error) {
	n, err := ParseName(name)
	if err != nil {
		return nil, failed("find the drop of", name, err)
	}
	s, err := c.Status(ctx, n.String())
	if errors.Is(err, ErrNoDrop) {
		err = failed("find the drop of", name, ErrNoDrop)
	}
	if err != nil {
		return nil, err
	}
	return &Drop{client: c, name: n, incarnation: s.Incarnation, mark: s.Mark}, nil
}

// Name returns what is dropped: "LSST.Object", or "LSST" for a database.
func (d *Drop) Name() string { return d.name.String() }
