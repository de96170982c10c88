package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// TestSecretsAreNotShown: the password of users of etcd and MySQL, in each place that can hold one, is in no output, no
// log, no error, not in the list of processes, not in etcd and not in MySQL.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	g := startGuarded(t)
	g.guard(nil)
	maria := testkit.MariaDB(t, mariadbd.Options{})
	root := func(statement string) { require.NoError(t, on(t, maria, "root", statement)) }
	root("CREATE USER m@localhost IDENTIFIED BY '" + password + "'")
	root("GRANT ALL ON *.* TO m@localhost")
	dir, dsn := t.TempDir(), "m:"+password+"@unix("+maria.Socket()+")/"
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	dsnFile, passwordFile := file("dsn", dsn+"\n"), file("password", password+"\n")
	czar := file("czar.cnf", "[css]\ntechnology = mysql\nsocket = "+maria.Socket()+"\nusername = m\npassword = "+password+
		"\ndatabase = qservCssData\n")
	settings := file("css-sync.yaml", "user: root\npassword: "+password+"\nmysql-dsn: ["+strconv.Quote(dsn)+"]\n")
	places := map[string]map[string]string{
		"variables":   {"CSS_SYNC_USER": "root", "CSS_SYNC_PASSWORD": password, "CSS_SYNC_MYSQL_DSN": dsn},
		"one of them": {"CSS_SYNC_USER": "root:" + password, "CSS_SYNC_CZAR_CONFIG": czar},
		"files":       {"CSS_SYNC_USER": "root", "CSS_SYNC_PASSWORD_FILE": passwordFile, "CSS_SYNC_MYSQL_DSN_FILE": dsnFile},
		"settings":    {"CSS_SYNC_CONFIG": settings},
	}
	var shown testkit.Text
	at := func(place string) *clitest.CommandLine {
		c := g.as("")
		for name, value := range places[place] {
			c.Env[name] = value
		}
		c.Env["CSS_SYNC_LOG_LEVEL"] = "debug"
		return c
	}
	run := func(c *clitest.CommandLine, code int, line string) {
		t.Helper()
		r := c.Run(strings.Fields(line)...)
		require.Equal(t, code, r.Code, "%s: %s", line, r.Stderr)
		fmt.Fprintln(&shown, line, r.Stdout, r.Stderr)
	}
	for _, line := range []string{
		"db create D", "mirror --once", "roles --apply reader", "log --all", "mirror --dry-run",
	} {
		run(at("variables"), cli.ExitOK, line)
	}
	for place := range places {
		run(at(place), cli.ExitOK, "check")
		run(at(place), cli.ExitOK, "config print")
		run(at(place), cli.ExitOK, "config print --show-source -w json")
		run(at(place), cli.ExitTrouble, "status -w json") // no daemon runs
		run(at(place), cli.ExitNoConnection, "db list --endpoints "+clitest.Refusing(t))
		run(at(place), cli.ExitInvalid, "db list --dial-timeout x")
	}
	run(at("files"), cli.ExitTrouble, "status")
	run(at("files"), cli.ExitError, "db show Nope")
	for name, value := range map[string]string{
		"CSS_SYNC_PASSWORD": password + "!", "CSS_SYNC_USER": "nobody:" + password, // wrong
	} {
		c := at("variables")
		c.Env[name] = value
		run(c, cli.ExitError, "db list")
	}
	for value, code := range map[string]int{
		password: cli.ExitInvalid, "m:" + password + "@tcp(" + clitest.Refusing(t) + ")/": cli.ExitNoConnection,
		"mysql://m:" + password + "%zz@h/":                 cli.ExitInvalid,
		"x:" + password + "@unix(" + maria.Socket() + ")/": cli.ExitError,
	} {
		c := at("variables")
		c.Env["CSS_SYNC_MYSQL_DSN"] = value
		run(c, code, "check")
	}

	serve := at("files").Process("serve", "--worker-dsn-file", dsnFile, "--qmeta-dsn-file", dsnFile)
	serve.Await(`msg="mirror follows etcd"`)
	list, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(serve.Cmd.Process.Pid)).Output()
	require.NoError(t, err)
	assert.Contains(t, string(list), "serve")
	require.NoError(t, os.WriteFile(dsnFile, []byte(password+"\n"), 0o600))
	serve.Signal(syscall.SIGHUP)
	serve.Await("css-sync goes on as it was")
	run(at("variables"), cli.ExitOK, "status")
	serve.Stop()
	fmt.Fprintln(&shown, string(list), serve.String())

	got, err := g.root.Get(t.Context(), "\x00", clientv3.WithFromKey())
	require.NoError(t, err)
	for _, e := range got.Kvs {
		fmt.Fprintf(&shown, "%s %s\n", e.Key, e.Value)
	}
	require.NotEmpty(t, got.Kvs)
	fmt.Fprintln(&shown, rowsOf(t, maria, "css_mirror_state", "css_mirror_foreign", "css_mirror_quarantine"))
	for _, line := range strings.Split(shown.String(), "\n") {
		if strings.Contains(line, password) {
			t.Errorf("shows the password: %s", line)
		}
	}
}

// rowsOf returns all that is in tables beside kvData.
func rowsOf(t *testing.T, server *mariadbd.Server, tables ...string) (text string) {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(cli.DefaultDatabase))
	require.NoError(t, err)
	defer db.Close()
	for _, table := range tables {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
		require.NoError(t, err)
		names, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			row := make([]sql.NullString, len(names))
			into := make([]any, len(names))
			for i := range row {
				into[i] = &row[i]
			}
			require.NoError(t, rows.Scan(into...))
			text += fmt.Sprintln(table, row)
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
	return text
}

// TestHostileTextsLeaveTheTerminalAlone: names and values with what a terminal obeys, which came past all rules, are
// printed without it by all commands but those that print a value or dump as it is.
func TestHostileTextsLeaveTheTerminalAlone(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.OK("mirror --once")
	const evil = "a\x1b]0;evil\x07\r\n\u202eb\u009b"
	etcd := c.Etcd()
	for key, value := range map[string]string{
		"/css/DBS/" + evil: "READY", "/css/DBS/LSST/TABLES/" + evil: evil, "/css/NODES/" + evil: evil,
		"/css/DBS/LSST/TABLES/Filter": evil, "/css/DBS/LSST/TABLES/Filter/schema": evil, "/css/" + evil: evil,
		"/css/DBS/LSST/.packed.json": `{"partitioningId":"0000000001","storageClass":"\u001b[31m","releaseStatus":"x"}`,
		"/css/DBS/LSST/TABLES/Object/CHUNKS/7/REPLICAS/0000000001/.packed.json": `{"nodeName":"\u001b[31m"}`,
		"/czar/" + evil: `{"name":"\u001b[31m"}`, "/drop/table/LSST/" + evil: evil,
		"/mirror/" + evil: evil, "/inbox/" + evil: evil,
		"/commit": evil, "/config": "", "/history": evil, "/import/" + evil: evil,
	} {
		if value != "" {
			_, err := etcd.Put(t.Context(), "/qserv"+key, value)
			require.NoError(t, err)
		}
	}
	clitest.Execute(t, server, "INSERT INTO kvData (kvKey, kvVal) VALUES ('/x"+evil[:9]+"', 'y')")
	for _, args := range [][]string{
		{"db", "list"}, {"db", "show", evil}, {"db", "show", "LSST"}, {"db", "families"}, {"table", "list"},
		{"table", "show", "LSST." + evil},
		{"table", "show", "LSST.Filter"}, {"table", "show", "LSST.Object"}, {"node", "list"}, {"node", "show", evil},
		{"chunk", "list", "LSST.Object"}, {"chunk", "show", "LSST.Object", "7"}, {"chunk", "list", evil + "." + evil},
		{"ls", "-r", ""}, {"ls", "-r", "-l", ""}, {"ls", "/DBS"}, {"ls", "-l", "/DBS/LSST/TABLES"}, {"log", "--all"}, {"log"},
		{"drops", "list"}, {"drops", "czars"}, {"drops", "show", evil}, {"status"}, {"check"}, {"check", "--print-sql"},
		{"mirror", "--dry-run"}, {"diff", "etcd", "mysql"}, {"diff", "etcd", "mysql", "--meaning"},
		{"restore", "/nowhere/" + evil},
		{evil}, {"db", evil}, {"get", "/" + evil + "x"}, {"put", "/" + evil, evil}, {"db", "create", evil},
		{"db", "list", "--prefix", "/" + evil}, {"roles", evil}, {"roles", "reader", "--role-prefix", evil},
		{"mirror", "--once"}, {"config", "print"}, {"conflicts", "list"}, {"drops", "evict", evil},
	} {
		r := c.Run(args...)
		for _, bad := range []string{"\x1b", "\x07", "\r", "\u202e", "\u009b"} {
			if at := strings.Index(r.Stdout+r.Stderr, bad); at >= 0 {
				all := r.Stdout + r.Stderr
				t.Errorf("%q: %q in %q", args, bad, all[max(0, at-60):min(len(all), at+40)])
				break
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	watch := c.Start(ctx, "watch")
	clitest.Await(t, func() bool {
		_, err := etcd.Put(t.Context(), "/qserv/css/NODES/"+evil, evil)
		return err == nil && strings.Contains(watch.String(), "evil")
	})
	cancel()
	watch.Wait()
	assert.NotContains(t, watch.String(), "\x1b")
}
