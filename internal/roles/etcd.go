package roles

import (
	"context"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/authpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Present reads those of the named roles that etcd has. Where etcd has users, only root may ask.
func Present(ctx context.Context, etcd *clientv3.Client, names []string) (have []Role, err error) {
	all, err := etcd.RoleList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the roles of etcd: %w", err)
	}
	for _, name := range names {
		if !slices.Contains(all.Roles, name) {
			continue
		}
		got, err := etcd.RoleGet(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("read the role %s of etcd: %w", name, err)
		}
		r := Role{Name: name}
		for _, p := range got.Perm {
			r.Permissions = append(r.Permissions, Permission{accesses[p.PermType], string(p.Key), string(p.RangeEnd)})
		}
		have = append(have, r)
	}
	return have, nil
}

var accesses = map[authpb.Permission_Type]Access{
	authpb.Permission_READ: Read, authpb.Permission_WRITE: Write, authpb.Permission_READWRITE: ReadWrite,
}

// Apply carries steps out, one after the other, and calls done after each. Those that were done before one that failed
// stay: planned anew, the rest is left.
func Apply(ctx context.Context, etcd *clientv3.Client, steps []Step, done func(Step)) error {
	for _, s := range steps {
		if err := s.apply(ctx, etcd); err != nil {
			return fmt.Errorf("change the role %s of etcd: %w", s.Role, err)
		}
		done(s)
	}
	return nil
}

func (s Step) apply(ctx context.Context, etcd *clientv3.Client) (err error) {
	p := s.Permission
	switch s.Kind {
	case AddRole:
		_, err = etcd.RoleAdd(ctx, s.Role)
	case Allow:
		_, err = etcd.RoleGrantPermission(ctx, s.Role, p.Key, p.End, p.Access.etcd())
	default:
		_, err = etcd.RoleRevokePermission(ctx, s.Role, p.Key, p.End)
	}
	return err
}

func (a Access) etcd() clientv3.PermissionType {
	for kind, access := range accesses {
		if access == a {
			return clientv3.PermissionType(kind)
		}
	}
	panic(fmt.Sprintf("roles: unknown access %q", a))
}
