package roles_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/roles"
)

func commands(steps []roles.Step) (all []string) {
	for _, s := range steps {
		all = append(all, s.Command())
	}
	return all
}

// TestPlanMakesRolesExact: what a role lacks is granted, what it has of this catalogue and need not is taken, and what
// it has elsewhere stays; planned on what that makes, nothing is left to do.
func TestPlanMakesRolesExact(t *testing.T) {
	t.Parallel()
	below := func(access roles.Access, key string) roles.Permission {
		return roles.Permission{Access: access, Key: key + "/", End: key + "0"}
	}
	want := roles.Role{Name: "r", Permissions: []roles.Permission{
		below(roles.Read, "/q/css"), below(roles.ReadWrite, "/q/czar"), {Access: roles.Write, Key: "/q/commit"},
	}}
	for name, test := range map[string]struct {
		have  []roles.Role
		steps []string
	}{
		"nothing": {nil, []string{
			"etcdctl role add r",
			"etcdctl role grant-permission r --prefix=true read /q/css/",
			"etcdctl role grant-permission r --prefix=true readwrite /q/czar/",
			"etcdctl role grant-permission r write /q/commit",
		}},
		"all":          {[]roles.Role{want}, nil},
		"another role": {[]roles.Role{{Name: "other"}, want}, nil},
		"too little, too much, and elsewhere": {
			[]roles.Role{{Name: "r", Permissions: []roles.Permission{
				below(roles.Write, "/q/css"), below(roles.ReadWrite, "/q/czar"), {Access: roles.Write, Key: "/q/commit"},
				below(roles.ReadWrite, "/q"), {Access: roles.Read, Key: "/q/a", End: "/q/c"}, below(roles.Write, "/q2"),
				{Access: roles.Read, Key: "/q/x", End: "/z"}, {Access: roles.Read, Key: "/q"},
			}}},
			[]string{
				"etcdctl role revoke-permission r --prefix=true /q/",
				"etcdctl role revoke-permission r /q/a /q/c",
				"etcdctl role grant-permission r --prefix=true read /q/css/",
			},
		},
	} {
		assert.Equal(t, test.steps, commands(roles.Plan(test.have, []roles.Role{want}, "/q")), name)
	}
}

// TestCommandsAreForAShell: whatever prefix and role are called, a shell takes each for one word.
func TestCommandsAreForAShell(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{"a b", "$(id)", "`id`", "it's", `a\b`, "*", "a;b", "é", "-x", "~", "a\nb", "#a"} {
		role := roles.RoleOf(roles.Reader, "/"+hostile, hostile)
		steps := roles.Plan(nil, []roles.Role{role}, "/"+hostile)
		require.Len(t, steps, 2)
		out, err := exec.Command("sh", "-c", `etcdctl() { for word; do printf '%s\0' "$word"; done; }; `+
			steps[1].Command()).Output()
		require.NoError(t, err, hostile)
		assert.Equal(t, "role\x00grant-permission\x00"+hostile+"reader\x00--prefix=true\x00read\x00/"+hostile+"/\x00",
			string(out))
	}
}
