package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/roles"
)

// TestRolesArePrinted asks nothing of etcd.
func TestRolesArePrinted(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	c.Golden("roles", "roles")
	assert.Equal(t, "# reader: "+roles.Reader.Does()+"\netcdctl role add qserv-reader\n"+
		"etcdctl role grant-permission qserv-reader --prefix=true read /other/\n",
		c.OK("roles reader --role-prefix qserv- --prefix /other"))
	v := clitest.JSON[[]roleView](c, "roles", "reader")
	require.Len(t, v, 1)
	assert.Equal(t, []permissionView{{roles.Read, "/qserv/", "/qserv0"}}, v[0].Permissions)
	assert.Len(t, clitest.JSON[[]roleView](c, "roles"), len(roles.Parts))
	c.Says("css-czar ... css-reader", "roles reader czar") // in the order of the parts
	c.Refuses(cli.ExitInvalid, `there is no part "writer"; the parts are czar, `, "roles writer")
	c.Refuses(cli.ExitInvalid, "prefix", "roles --prefix other")
	assert.Equal(t, []string{"czar", "coordinator"}, completions(c, "roles", "c"))
	assert.Equal(t, []string{"reader"}, completions(c, "roles", "czar", "r"))
}

// TestRolesAreMade in etcd: once, told what changed, and mended when somebody has changed them.
func TestRolesAreMade(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.Says("etcdctl role add css-reader\netcdctl role grant-permission css-reader ", "roles reader --dry-run")
	etcd, ctx := c.Etcd(), t.Context()
	assert.Equal(t, "role css-reader added\nrole css-reader may read /qserv/... now\n", c.OK("roles --apply reader"))
	assert.Equal(t, "nothing to do: the roles are as they should be\n", c.OK("roles --apply reader"))
	assert.Empty(t, clitest.JSON[[]roleChangeView](c, "roles", "--apply", "reader"))

	for _, key := range []string{"/qserv/css/", "/elsewhere/"} {
		_, err := etcd.RoleGrantPermission(ctx, "css-reader", key, clientv3.GetPrefixRangeEnd(key),
			clientv3.PermissionType(clientv3.PermReadWrite))
		require.NoError(t, err)
	}
	v := clitest.JSON[[]roleChangeView](c, "roles", "--dry-run", "reader")
	assert.Equal(t, []roleChangeView{{roles.Forbid, "css-reader",
		&permissionView{roles.ReadWrite, "/qserv/css/", "/qserv/css0"}}}, v)
	assert.Equal(t, "etcdctl role revoke-permission css-reader --prefix=true /qserv/css/\n",
		c.OK("roles reader --dry-run"))
	assert.Equal(t, "role css-reader may not read and write /qserv/css/... any more\n", c.OK("roles reader --apply"))
	got, err := etcd.RoleGet(ctx, "css-reader")
	require.NoError(t, err)
	assert.Len(t, got.Perm, 2, "what it may do elsewhere stays")
	c.OK("roles --apply")
	c.Says("nothing to do", "roles --apply")
	c.Refuses(cli.ExitInvalid, "give one of --apply and --dry-run", "roles --apply --dry-run")
	c.Refuses(cli.ExitNoConnection, "connection", "roles", "--apply", "--endpoints", clitest.Refusing(t))
}
