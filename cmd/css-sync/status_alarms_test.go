package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/status"
)

// TestStatusShowsAlarms that etcd raised, until somebody disarms them.
func TestStatusShowsAlarms(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.Ok("db create D")
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.Env["CSS_SYNC_ENDPOINTS"]}})
	require.NoError(t, err)
	defer etcd.Close()
	assert.Empty(t, statusOf(c).Etcd.Alarms)
	members, err := etcd.MemberList(t.Context())
	require.NoError(t, err)
	_, err = pb.NewMaintenanceClient(etcd.ActiveConnection()).Alarm(t.Context(), &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: members.Members[0].ID, Alarm: pb.AlarmType_NOSPACE,
	})
	require.NoError(t, err)

	r := c.Run("status")
	assert.Equal(t, cli.ExitError, r.Code)
	assert.Regexp(t, `(?m)^ALARM: +etcd is full \(alarm NOSPACE\)`, r.Stdout)
	assert.Contains(t, r.Stderr, "css-sync: etcd is full (alarm NOSPACE)")
	r = c.Run("status -w json")
	assert.Equal(t, cli.ExitError, r.Code)
	s := clitest.Decode[status.Status](t, r.Stdout)
	assert.Equal(t, []string{"NOSPACE"}, s.Etcd.Alarms)
	assert.Equal(t, 1, s.Catalogue.Databases, "the rest is shown")

	_, err = etcd.AlarmDisarm(t.Context(), &clientv3.AlarmMember{})
	require.NoError(t, err)
	assert.NotContains(t, c.Ok("status"), "ALARM")
}
