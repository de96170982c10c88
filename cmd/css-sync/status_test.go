package main

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/status"
	"github.com/qserv/css-etcd/mirror"
)

// statusOf returns how all stands, in order or not.
func statusOf(c *clitest.CommandLine) status.Status {
	c.T.Helper()
	r := c.Run("status -w json")
	require.Contains(c.T, []int{cli.ExitOK, cli.ExitTrouble}, r.Code, r.Stderr)
	s := clitest.Decode[status.Status](c.T, r.Stdout)
	assert.Equal(c.T, r.Code == cli.ExitOK, len(troubles(s)) == 0, "the code is 0 only when all is well: %v", troubles(s))
	return s
}

func troubles(s status.Status) (all []mirror.Code) {
	for _, m := range s.Mirrors {
		for _, t := range m.Troubles {
			all = append(all, t.Code)
		}
	}
	return all
}

// awaitTrouble waits until status shows a trouble, and returns it with the mirror that has it.
func awaitTrouble(c *clitest.CommandLine, code mirror.Code) (m status.Mirror, t mirror.Trouble) {
	c.T.Helper()
	clitest.Await(c.T, func() bool {
		for _, m = range statusOf(c).Mirrors {
			for _, t = range m.Troubles {
				if t.Code == code {
					return true
				}
			}
		}
		return false
	}, "no trouble %s", code)
	return m, t
}

// awaitNoTrouble waits until status shows none of a code.
func awaitNoTrouble(c *clitest.CommandLine, code mirror.Code) {
	c.T.Helper()
	clitest.Await(c.T, func() bool { return !slices.Contains(troubles(statusOf(c)), code) })
	assert.NotContains(c.T, c.Run("status").Stdout, string(code))
}

// braked leaves a catalogue and a table that no daemon makes equal: a database would go, and nothing says why.
func braked(t *testing.T) *clitest.CommandLine {
	t.Helper()
	c, server := onBoth(t)
	c.OK("db create Only")
	c.OK("mirror --once")
	c.OK("db drop Only")
	clitest.Execute(t, server, "DELETE FROM css_mirror_state")
	return c
}

// TestStatusShowsTheBrake: why, since when and what to do, without knowing where MySQL is; and no longer once the
// deletion is let through.
func TestStatusShowsTheBrake(t *testing.T) {
	t.Parallel()
	c := braked(t)
	began := time.Now().Add(-time.Second)
	serve := c.Process("serve")
	m, trouble := awaitTrouble(c, mirror.BrakeOn)
	assert.Equal(t, "default", m.Name)
	assert.NotEmpty(t, m.Leader)
	assert.Equal(t, mirror.Refused, m.Daemon.Phase)
	assert.Contains(t, trouble.Text, "--allow-mass-delete")
	assert.WithinRange(t, trouble.Since, began, time.Now())
	dsn := c.Env["CSS_SYNC_MYSQL_DSN"]
	delete(c.Env, "CSS_SYNC_MYSQL_DSN")
	r := c.Run("status")
	assert.Equal(t, cli.ExitTrouble, r.Code)
	assert.Contains(t, r.Stdout, "default, whose MySQL was not looked at")
	assert.Contains(t, r.Stdout, "brake since "+trouble.Since.Format(time.RFC3339)+": the mirror's brake is on: ")
	assert.Contains(t, r.Stdout, "Find out whether etcd holds the right catalogue")
	c.Env["CSS_SYNC_MYSQL_DSN"] = dsn

	assert.Equal(t, cli.ExitOK, c.Run("mirror --once --allow-mass-delete").Code)
	serve.Await(`msg="mirror follows etcd"`)
	awaitNoTrouble(c, mirror.BrakeOn)
	assert.Equal(t, mirror.Following, statusOf(c).Mirrors[0].Daemon.Phase)
	c.Says(", following since ", "status")
	serve.Stop()
	_, trouble = awaitTrouble(c, mirror.NoDaemon)
	assert.Contains(t, trouble.Text, "no daemon keeps the mirror default")
}

// TestTroubleEndsWithItsCause, when that is mended in etcd, and with the daemon, however that ends.
func TestTroubleEndsWithItsCause(t *testing.T) {
	t.Parallel()
	c := braked(t)
	args := []string{"serve", "--session-ttl", "2s"}
	killed := c.Process(args...)
	awaitTrouble(c, mirror.BrakeOn)
	killed.Signal(syscall.SIGKILL)
	killed.Wait()
	awaitNoTrouble(c, mirror.BrakeOn)

	stopped := c.Process(args...)
	awaitTrouble(c, mirror.BrakeOn)
	stopped.Stop()
	awaitNoTrouble(c, mirror.BrakeOn)

	mended := c.Process(args...)
	awaitTrouble(c, mirror.BrakeOn)
	c.OK("db create Only")
	mended.Await(`msg="mirror follows etcd"`)
	awaitNoTrouble(c, mirror.BrakeOn)
	awaitAgreement(c)
}

// TestReportsOfSeveralMirrors: what another version of the program wrote is shown as it is.
func TestReportsOfSeveralMirrors(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create Only")
	c.Put("/qserv/mirror/a/0000000000000001", "the leader")
	c.Put("/qserv/mirror/a/0000000000000002", "the next")
	c.Put("/qserv/mirror/a", "out of order")
	c.Put("/qserv/mirror/b", `{"mirror":"b","owner":"host, process 7","reason":"the table is not its own"}`)
	got := statusOf(c).Mirrors
	require.Len(t, got, 2)
	assert.Equal(t, "the leader", got[0].Leader)
	assert.Equal(t, []string{"the next"}, got[0].StandingBy)
	text := c.Run("status").Stdout
	for _, want := range []string{"other: out of order", "the table is not its own", "standing by: the next"} {
		assert.Contains(t, text, want)
	}
}

// TestServeProtectsNamesMadeByHand: at its start, and it names two that differ in case only.
func TestServeProtectsNamesMadeByHand(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Put("/qserv/css/DBS/ByHand", "READY")
	c.Put("/qserv/css/NODES/WORKER-1", "ACTIVE")
	first, second := c.Process("serve --no-mirror"), c.Process("serve --no-mirror")
	for _, serve := range []*clitest.Process{first, second} {
		serve.Await("older=/NODES/worker-1 newer=/NODES/WORKER-1")
	}
	etcd := c.Etcd()
	clitest.Await(t, func() bool {
		got, err := etcd.Get(t.Context(), "/qserv/fold/dbs/byhand")
		return err == nil && len(got.Kvs) == 1 && string(got.Kvs[0].Value) == "/DBS/ByHand"
	})
	c.Refuses(cli.ExitError, "database exists: as /DBS/ByHand", "db create BYHAND")
	for _, serve := range []*clitest.Process{first, second} {
		serve.Stop()
	}
}

// TestServeWithoutACatalogue has no names to protect and says nothing about that.
func TestServeWithoutACatalogue(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	serve := c.Process("serve --no-mirror")
	serve.Await("daemon started")
	c.OK("db create First")
	serve.Stop()
	assert.NotContains(t, serve.String(), "WARN")
}

// TestStatusShowsAlarms that etcd raised, until somebody disarms them.
func TestStatusShowsAlarms(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	etcd := c.Etcd()
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
	s := clitest.JSONOf[status.Status](c, cli.ExitError, "status")
	assert.Equal(t, []string{"NOSPACE"}, s.Etcd.Alarms)
	assert.Equal(t, 1, s.Catalogue.Databases, "the rest is shown")

	_, err = etcd.AlarmDisarm(t.Context(), &clientv3.AlarmMember{})
	require.NoError(t, err)
	assert.NotContains(t, c.OK("status"), "ALARM")
}

func TestStatus(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	v := statusOf(c)
	assert.True(t, v.Etcd.OK)
	assert.Nil(t, v.Catalogue)
	assert.False(t, v.Mirrors[0].OK)
	assert.Contains(t, v.Mirrors[0].Error, "no mirror has written here yet")
	assert.Equal(t, []mirror.Code{mirror.NoMirror, mirror.NoDaemon}, troubles(v))

	clitest.Fill(c.OK)
	c.OK("mirror --once")
	v = statusOf(c)
	assert.Equal(t, &status.Catalogue{CSSVersion: "1", Databases: 3, Tables: 4, Nodes: 2, Keys: 37}, v.Catalogue)
	require.Len(t, v.Etcd.Endpoints, 1)
	assert.True(t, v.Etcd.Endpoints[0].Leader)
	assert.Equal(t, cssetcd.DefaultPrefix, v.Etcd.Prefix)
	assert.NotEmpty(t, v.Etcd.History)
	require.NotNil(t, v.Mirrors[0].LagRevisions)
	assert.Zero(t, *v.Mirrors[0].LagRevisions)
	assert.True(t, *v.Mirrors[0].SameCatalogue)
	assert.Equal(t, v.Etcd.Revision, v.Mirrors[0].AppliedRevision)
	assert.WithinDuration(t, time.Now(), *v.Mirrors[0].Updated, time.Minute)
	r := c.Run("status")
	assert.Equal(t, cli.ExitTrouble, r.Code)
	assert.Contains(t, r.Stdout, "up to date, 38 rows")
	assert.Contains(t, r.Stderr, "trouble with the mirror: no_daemon")

	c.OK("db create Later")
	v = statusOf(c)
	assert.EqualValues(t, 1, *v.Mirrors[0].LagRevisions)
	assert.Contains(t, c.Run("status").Stdout, "1 revision behind for at most ")
	clitest.Execute(t, server, "UPDATE css_mirror_state SET updated = updated - INTERVAL 1 HOUR")
	assert.Equal(t, []mirror.Code{mirror.Behind, mirror.NoDaemon}, troubles(statusOf(c)))
	clitest.Execute(t, server, "UPDATE css_mirror_state SET applied = applied + 1000000")
	assert.Equal(t, []mirror.Code{mirror.EtcdWentBack, mirror.NoDaemon}, troubles(statusOf(c)))
	clitest.Execute(t, server, "UPDATE css_mirror_state SET applied = applied - 1000000")

	t.Run("without etcd", func(t *testing.T) {
		r := tested.In(t, map[string]string{"CSS_SYNC_MYSQL_DSN": server.DSN("")}).Run("status", "-w",
			"json", "--endpoints", clitest.Refusing(t))
		assert.Equal(t, cli.ExitNoConnection, r.Code)
		v := clitest.Decode[status.Status](t, r.Stdout)
		assert.False(t, v.Etcd.OK)
		assert.Contains(t, v.Etcd.Error, "connection refused")
		assert.True(t, v.Mirrors[0].OK)
		assert.Nil(t, v.Mirrors[0].LagRevisions)
		assert.Nil(t, v.Mirrors[0].SameCatalogue)
	})
	t.Run("without MySQL", func(t *testing.T) {
		c := tested.In(t, c.Env)
		require.NoError(t, server.Kill())
		v := clitest.JSONOf[status.Status](c, cli.ExitNoConnection, "status")
		assert.True(t, v.Etcd.OK)
		assert.Equal(t, 4, v.Catalogue.Databases)
		assert.False(t, v.Mirrors[0].OK)
		assert.Contains(t, v.Mirrors[0].Error, "MySQL is not available")
		assert.Contains(t, c.Run("status").Stdout, "MySQL is not available")
	})
	t.Run("without flags for MySQL", func(t *testing.T) {
		c := tested.In(t, map[string]string{"CSS_SYNC_ENDPOINTS": c.Env["CSS_SYNC_ENDPOINTS"]})
		assert.Empty(t, statusOf(c).Mirrors)
		c.Says("not looked at", "status")
	})
}

func TestStatusOfAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	r := c.Run("status -w json")
	assert.Equal(t, cli.ExitInvalid, r.Code)
	assert.Equal(t, &status.File{Error: "open " + path + ": no such file or directory", Path: path},
		clitest.Decode[status.Status](t, r.Stdout).File)
	assert.Contains(t, c.Run("status").Stdout, "no such file")
	clitest.Fill(c.OK)
	v := statusOf(c)
	assert.Equal(t, &status.File{OK: true, Path: path}, v.File)
	assert.Equal(t, &status.Catalogue{CSSVersion: "1", Databases: 3, Tables: 4, Nodes: 2, Keys: 37}, v.Catalogue)
	assert.False(t, v.Etcd.OK)
	c.Says("catalogue:  version 1: 3 databases, 4 tables, 0 chunks, 2 nodes, 37 keys\n", "status")
}

// TestStatusTellsHowMuchHistoryIsKept, which grows without end where nobody may compact it.
func TestStatusTellsHowMuchHistoryIsKept(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create A")
	c.Says("history: ", "status")
	c.Says(", nothing is compacted yet\n", "status")
	v := clitest.JSON[status.Status](c, "status")
	assert.EqualValues(t, 2, v.Etcd.Oldest)
	_, err := c.Etcd().Compact(t.Context(), int64(v.Etcd.Revision))
	require.NoError(t, err)
	c.OK("db create B")
	c.OK("db create C")
	c.Says(fmt.Sprintf("history:    2 revisions, compacted up to %d\n", v.Etcd.Revision), "status")
}
