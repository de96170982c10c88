package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/status"
)

// TestStatusShowsAlarms that etcd raised, until somebody disarms them.
func TestStatusShowsAlarms(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.ok("db", "create", "D")
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.environment["CSS_SYNC_ENDPOINTS"]}})
	require.NoError(t, err)
	defer etcd.Close()
	assert.Empty(t, c.status().Etcd.Alarms)
	members, err := etcd.MemberList(t.Context())
	require.NoError(t, err)
	_, err = pb.NewMaintenanceClient(etcd.ActiveConnection()).Alarm(t.Context(), &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: members.Members[0].ID, Alarm: pb.AlarmType_NOSPACE,
	})
	require.NoError(t, err)

	r := c.run("status")
	assert.Equal(t, cli.ExitError, r.code)
	assert.Regexp(t, `(?m)^ALARM: +etcd is full \(alarm NOSPACE\)`, r.stdout)
	assert.Contains(t, r.stderr, "css-sync: etcd is full (alarm NOSPACE)")
	r = c.run("status", "-w", "json")
	assert.Equal(t, cli.ExitError, r.code)
	s := decode[status.Status](t, r.stdout)
	assert.Equal(t, []string{"NOSPACE"}, s.Etcd.Alarms)
	assert.Equal(t, 1, s.Catalogue.Databases, "the rest is shown")

	_, err = etcd.AlarmDisarm(t.Context(), &clientv3.AlarmMember{})
	require.NoError(t, err)
	assert.NotContains(t, c.ok("status"), "ALARM")
}
