package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/mirror"
)

// sharing returns a command line on a small catalogue that both sides write; no daemon runs.
func sharing(t *testing.T) (*clitest.CommandLine, *mariadbd.Server) {
	t.Helper()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.OK("mirror --once")
	c.Says("both sides write now ... no daemon runs: start `css-sync serve`", "mirror --capture install")
	return c, server
}

// inserting is the SQL of somebody who writes a key below another one.
func inserting(key, value string) string {
	return fmt.Sprintf("INSERT INTO kvData (kvKey, kvVal, parentKvId) "+
		"SELECT '%s', '%s', kvId FROM kvData WHERE kvKey = '%s'", key, value, key[:strings.LastIndexByte(key, '/')])
}

// conflictsOf returns the conflicts, the newest first.
func conflictsOf(c *clitest.CommandLine) []report.Conflict {
	c.T.Helper()
	return clitest.JSON[[]report.Conflict](c, "conflicts list")
}

func ids(list []report.Conflict) (all []string) {
	for _, v := range list {
		all = append(all, strconv.FormatInt(v.ID, 10))
	}
	return all
}

// Rule: both sides may write from the installation to the removal, and what happens to what others write is told.
func TestBothSidesWriteForAWhile(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.Refuses(cli.ExitError, "no mirror has written here yet", "mirror --capture install")
	c.OK("mirror --once")
	c.Says("etcd alone is written ... nothing captures what others write", "mirror --capture status")
	c.Says("nothing to do: etcd alone is written", "mirror --capture remove")
	serve := c.Process("serve --compare-every 100ms")
	serve.Await(`msg="mirror follows etcd"`)
	c.Says("both sides write now ... the daemon that runs notices by itself", "mirror --capture install")
	c.Says("nothing to do: both sides write", "mirror --capture install")
	v := clitest.JSON[report.Sides](c, "mirror --capture status")
	assert.Equal(t, report.Sides{Mirror: "default", Writers: mirror.BothSides, Captured: true,
		Troubles: []mirror.Trouble{}}, v)

	clitest.Execute(t, server, inserting("/DBS/Theirs", "READY"),
		"UPDATE kvData SET kvVal = 'DO_NOT_USE' WHERE kvKey = '/DBS/Plain'")
	clitest.Await(t, func() bool { return c.Run("get /DBS/Plain").Stdout == "DO_NOT_USE\n" })
	c.Says("Theirs", "db list")
	awaitAgreement(c)
	s := statusOf(c)
	require.Len(t, s.Mirrors, 1)
	assert.Equal(t, mirror.BothSides, s.Mirrors[0].Writers)
	assert.True(t, s.Mirrors[0].Captured)
	c.Says("may write: ... and others into kvData", "status")

	serve.Stop() // so that they write upon what etcd holds no longer
	clitest.Execute(t, server, "UPDATE kvData SET kvVal = 'FAILED:theirs' WHERE kvKey = '/DBS/Plain'")
	c.Says("1 change", "mirror --capture status")
	c.OK("db set-status Plain READY")
	serve = c.Process("serve --compare-every 100ms")
	m, trouble := awaitTrouble(c, mirror.Conflicts)
	assert.Equal(t, 1, m.Conflicts)
	assert.Contains(t, trouble.Do, "css-sync conflicts list")
	assert.Equal(t, cli.ExitTrouble, c.Run("status").Code)
	id := ids(conflictsOf(c))[0]
	c.Says("OTHERS WROTE ... changed ... /DBS/Plain ... FAILED:theirs ... READY", "conflicts list")
	c.Says("etcd held another value ... kvData held: ... DO_NOT_USE ... others wrote: ... FAILED:theirs ... etcd held: "+
		"... READY", "conflicts", "show", id)
	c.Says("/DBS/Plain written, revision ", "conflicts", "apply", id)
	c.Says("no conflict is on record", "conflicts list")
	assert.Equal(t, "FAILED:theirs\n", c.OK("get /DBS/Plain"))
	awaitNoTrouble(c, mirror.Conflicts)
	awaitAgreement(c)

	c.Says("etcd alone is written now", "mirror --capture remove")
	awaitAgreement(c)
	assert.Equal(t, mirror.OnlyEtcd, statusOf(c).Mirrors[0].Writers)
	clitest.Execute(t, server, "UPDATE kvData SET kvVal = 'READY' WHERE kvKey = '/DBS/Plain'")
	awaitTrouble(c, mirror.ForeignWrites)
	assert.Equal(t, "FAILED:theirs\n", c.OK("get /DBS/Plain"))
	serve.Stop()
}

// Rule: a conflict is applied where etcd still holds what was recorded, or with force; of several all that can be is.
func TestConflictsAreApplied(t *testing.T) {
	t.Parallel()
	c, server := sharing(t)
	theirs := keys{"/DBS/LSST/TABLES/Filter/schema": "theirs", "/NODES/worker-1": "INACTIVE", "/DBS/Plain": "FAILED:x"}
	for key, value := range theirs { // each on a connection of its own
		clitest.Execute(t, server, fmt.Sprintf("UPDATE kvData SET kvVal = '%s' WHERE kvKey = '%s'", value, key))
	}
	c.OK("put /DBS/LSST/TABLES/Filter/schema ours")
	c.OK("node delete worker-1")
	c.OK("node add worker-1 --host w1 --port 1")
	c.OK("db set-status Plain DO_NOT_USE")
	warns := c.Run("mirror --once")
	require.Equal(t, cli.ExitOK, warns.Code, warns.Stderr)
	assert.Contains(t, warns.Stderr, "a change that others wrote into kvData was not taken")
	list := conflictsOf(c)
	require.Len(t, list, 3)
	assert.Equal(t, []mirror.Code{mirror.Conflicts, mirror.NoDaemon}, troubles(statusOf(c)))
	reasons := keys{}
	for _, v := range list {
		reasons[v.Key] = v.Reason
	}
	assert.Equal(t, keys{"/DBS/LSST/TABLES/Filter/schema": "changed", "/NODES/worker-1": "incarnation",
		"/DBS/Plain": "changed"}, reasons)
	assert.Len(t, clitest.JSON[[]report.Conflict](c, "conflicts list --limit 2"), 2)
	c.Says("and 1 more; --limit 0 shows all", "conflicts list --limit 2")

	c.OK("put /DBS/LSST/TABLES/Filter/schema later")
	all := append([]string{"conflicts", "apply", "4711"}, ids(list)...)
	r := c.Run(append(all, "-w", "json")...)
	assert.Equal(t, cli.ExitError, r.Code)
	assert.Contains(t, r.Stderr, `etcd has changed since that was recorded: it holds "later" of /DBS/LSST/TABLES/Filter/schema, `+
		`and held "ours"`)
	assert.Contains(t, r.Stderr, "conflict 4711: there is no such conflict")
	done := map[string]string{}
	for _, v := range clitest.Decode[[]applied](t, r.Stdout) {
		done[v.Key] = v.Done
	}
	assert.Equal(t, map[string]string{"/DBS/Plain": "written", "/NODES/worker-1": "written",
		"/DBS/LSST/TABLES/Filter/schema": "", "": ""}, done)
	assert.Equal(t, "FAILED:x\n", c.OK("get /DBS/Plain"))
	assert.Equal(t, "later\n", c.OK("get /DBS/LSST/TABLES/Filter/schema"))

	left := ids(conflictsOf(c))
	require.Len(t, left, 1)
	c.Refuses(cli.ExitError, "etcd has changed ... hint: --force applies it nevertheless", "conflicts", "apply", left[0])
	c.Says("written, revision", "conflicts", "apply", "--force", left[0])
	assert.Equal(t, "theirs\n", c.OK("get /DBS/LSST/TABLES/Filter/schema"))
	assert.Empty(t, conflictsOf(c))
}

// Rule: what was written first is applied first, and once.
func TestNumbersOfConflicts(t *testing.T) {
	t.Parallel()
	all, err := conflictIDs(nil, []string{"12", "7", "12"})
	require.NoError(t, err)
	assert.Equal(t, []int64{7, 12}, all)
}

// Rule: conflicts that are settled are no trouble, though the daemon has not counted them since.
func TestSettledConflictsAreNoTrouble(t *testing.T) {
	t.Parallel()
	c, server := sharing(t)
	clitest.Execute(t, server, "UPDATE kvData SET kvVal = 'FAILED:theirs' WHERE kvKey = '/DBS/Plain'")
	c.OK("db set-status Plain DO_NOT_USE")
	serve := c.Process("serve --compare-every 0")
	serve.Await("a change that others wrote into kvData was not taken")
	told := func() bool {
		m := statusOf(c).Mirrors[0]
		return m.Daemon != nil && slices.ContainsFunc(m.Daemon.Troubles,
			func(t mirror.Trouble) bool { return t.Code == mirror.Conflicts })
	}
	clitest.Await(t, told)
	c.OK("conflicts drop --all")
	assert.NotContains(t, troubles(statusOf(c)), mirror.Conflicts)
	assert.True(t, told(), "the daemon still says so")
	serve.Stop()
}

// Rule: a removal takes what is below it, unless that is newer than the record, and waits for czars; what lies below a
// name that is gone is not applied.
func TestRemovalsOfOthersAreApplied(t *testing.T) {
	t.Parallel()
	c, server := sharing(t)
	clitest.Execute(t, server, "DELETE FROM kvData WHERE kvKey = '/DBS/LSST/TABLES/Filter/schema'",
		"DELETE FROM kvData WHERE kvKey = '/DBS/LSST/TABLES/Filter'", inserting("/DBS/Plain/note", "theirs"))
	c.OK("put /DBS/LSST/TABLES/Filter/new ours")
	c.OK("del --recursive /DBS/Plain")
	require.Equal(t, cli.ExitOK, c.Run("mirror --once").Code)
	byKey := map[string]report.Conflict{}
	for _, v := range conflictsOf(c) {
		byKey[v.Key] = v
	}
	require.Len(t, byKey, 3)
	assert.Nil(t, byKey["/DBS/LSST/TABLES/Filter"].Wrote)
	id := func(key string) string { return strconv.FormatInt(byKey[key].ID, 10) }
	c.Refuses(cli.ExitError, "etcd does not hold /DBS/Plain above the key", "conflicts", "apply", "--force",
		id("/DBS/Plain/note"))

	c.OK("put /DBS/LSST/TABLES/Filter/newer ours")
	c.Refuses(cli.ExitError, "1 key below /DBS/LSST/TABLES/Filter were written", "conflicts", "apply",
		id("/DBS/LSST/TABLES/Filter"))
	c.OK("del /DBS/LSST/TABLES/Filter/newer")
	c.Put("/qserv/czar/x", "{}")
	c.Refuses(cli.ExitError, "czars are registered", "conflicts", "apply", id("/DBS/LSST/TABLES/Filter"))
	_, err := c.Etcd().Delete(t.Context(), "/qserv/czar/x")
	require.NoError(t, err)
	c.Says("removed, revision ... ", "conflicts", "apply", id("/DBS/LSST/TABLES/Filter"))
	c.Refuses(cli.ExitError, "no such key", "get /DBS/LSST/TABLES/Filter/new")
	c.Says("nothing to do: etcd holds that already", "conflicts", "apply", id("/DBS/LSST/TABLES/Filter/schema"))

	c.Refuses(cli.ExitError, "there is no such conflict: 1 of 2 numbers given", "conflicts", "drop", "4711",
		id("/DBS/Plain/note"))
	assert.Empty(t, conflictsOf(c))
	c.Says("0 conflicts dropped", "conflicts drop --all")
	clitest.Execute(t, server, "UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/LSST'")
	c.OK("put /DBS/LSST DO_NOT_USE")
	require.Equal(t, cli.ExitOK, c.Run("mirror --once").Code)
	c.Says("1 conflict dropped", "conflicts drop --all")
	assert.Equal(t, "DO_NOT_USE\n", c.OK("get /DBS/LSST"))
}

// Rule: where MySQL and etcd disagree, or not all is captured, status says so.
func TestStatusTellsWhoMayNotWrite(t *testing.T) {
	t.Parallel()
	c, server := sharing(t)
	clitest.Execute(t, server, "DROP TRIGGER css_mirror_updated")
	assert.Equal(t, []mirror.Code{mirror.CaptureBroken, mirror.NoDaemon}, troubles(statusOf(c)))
	c.Refuses(cli.ExitTrouble, "trouble with the mirror: capture_broken", "mirror --capture status")
	c.Says("both sides write now", "mirror --capture install")
	c.OK("mirror --capture status")

	_, err := c.Etcd().Delete(t.Context(), "/qserv/inbox/default")
	require.NoError(t, err)
	v := clitest.JSONOf[report.Sides](c, cli.ExitTrouble, "mirror --capture status")
	require.Len(t, v.Troubles, 1)
	assert.Equal(t, mirror.ModeMismatch, v.Troubles[0].Code)
	c.Refuses(cli.ExitError, "MySQL and etcd do not agree on who may write", "mirror --once")
	serve := c.Process("serve")
	serve.Await("mode_mismatch")
	clitest.Await(t, func() bool { return len(troubles(statusOf(c))) == 1 })
	awaitTrouble(c, mirror.ModeMismatch)
	c.Says("etcd alone is written now", "mirror --capture remove")
	awaitAgreement(c)
	serve.Stop()
}

// Rule: what was captured and nobody has taken is waited for, and given up with force alone.
func TestWhatNobodyTookIsNotLost(t *testing.T) {
	t.Parallel()
	c, server := sharing(t)
	clitest.Execute(t, server, "UPDATE kvData SET kvVal = 'DO_NOT_USE' WHERE kvKey = '/DBS/Plain'")
	c.Refuses(cli.ExitError, "1 are in css_mirror_inbox ... start `css-sync serve`, or give it up with --force",
		"mirror --capture remove --wait 10s")
	require.Equal(t, cli.ExitOK, c.Run("mirror --once").Code)
	assert.Equal(t, "DO_NOT_USE\n", c.OK("get /DBS/Plain"), "it is still taken")
	c.OK("mirror --capture remove")
	c.OK("mirror --capture install")
	clitest.Execute(t, server, "UPDATE kvData SET kvVal = 'READY' WHERE kvKey = '/DBS/Plain'")
	c.Says("given up: 1 change", "mirror --capture remove --force")
	assert.Equal(t, cli.ExitOK, c.Run("check --repair").Code)
	assert.Equal(t, "DO_NOT_USE\n", c.OK("get /DBS/Plain"))
}

// Rule: who may not make triggers is told what is missing, and the mirror works as before.
func TestInstallingNeedsPrivileges(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	require.NoError(t, on(t, server, "root", "CREATE USER narrow@localhost"))
	grant := func(args ...string) {
		for s := range strings.SplitSeq(strings.TrimSpace(c.OK(append([]string{"grants", "--user", "narrow@localhost"},
			args...)...)), ";\n") {
			require.NoError(t, on(t, server, "root", strings.TrimSuffix(s, ";")), s)
		}
	}
	grant()
	c.Env["CSS_SYNC_MYSQL_DSN"] = strings.Replace(server.DSN("qservCssData"), "root@", "narrow@", 1)
	c.OK("mirror --once")
	c.Refuses(cli.ExitError, "nothing captures what others write, and the mirror works as before: ... lacks LOCK TABLES "+
		"... css-sync grants --capture", "mirror --capture install")
	require.NoError(t, on(t, server, "root", "GRANT LOCK TABLES ON qservCssData.* TO narrow@localhost"))
	c.Refuses(cli.ExitError, "the mirror works as before: ... lacks TRIGGER on kvData", "mirror --capture install")
	c.OK("db create Later")
	c.OK("mirror --once")
	grant("--capture")
	c.OK("mirror --capture install")
	clitest.Execute(t, server, inserting("/DBS/Theirs", "READY"))
	c.OK("mirror --once")
	assert.Equal(t, "READY\n", c.OK("get /DBS/Theirs"))
	c.OK("mirror --capture remove")

	c.OK("mirror --capture install")
	require.NoError(t, on(t, server, "root", "CREATE USER looks@localhost",
		"GRANT SELECT ON qservCssData.* TO looks@localhost"))
	c.Env["CSS_SYNC_MYSQL_DSN"] = strings.Replace(server.DSN("qservCssData"), "root@", "looks@", 1)
	assert.Equal(t, []mirror.Code{mirror.NoDaemon}, troubles(statusOf(c)), "who may not see triggers raises no alarm")
	c.Says("this user may not see", "mirror --capture status")
}
