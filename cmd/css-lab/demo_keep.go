package main

import (
	"os"
	"os/exec"
	"strings"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/survey"
)

// connections says how to connect to what runs, with commands that can be copied as they are.
func (d *demo) connections() {
	endpoint := d.etcdServer.Endpoints()[0]
	d.title("All of it runs on until Ctrl-C. In another terminal:")
	d.command("etcdctl --endpoints=" + quoteShell(endpoint) + " get --prefix " + d.css.Prefix() + "/css/NODES")
	d.command(self() + " --endpoints=" + quoteShell(endpoint) + " ls /DBS")
	d.command(self() + " --endpoints=" + quoteShell(endpoint) + " czar")
	d.command(self() + " --endpoints=" + quoteShell(endpoint) + " table drop " + survey.Year1 +
		".Detection --delay=2s --wait")
	if d.maria == nil {
		return
	}
	d.command(sqlClient() + " --no-defaults --user=root --socket=" + quoteShell(d.maria.Socket()) + " " +
		cli.DefaultDatabase +
		` -e "SELECT * FROM kvData WHERE kvKey LIKE '/NODES%'"`)
	d.command(self() + " --endpoints=" + quoteShell(endpoint) + " --mysql-dsn=" + quoteShell(d.target.FormatDSN()) +
		" check")
}

// self is how this program was called.
func self() string { return quoteShell(os.Args[0]) }

// sqlClient is the name of MariaDB's client on this machine.
func sqlClient() string {
	if _, err := exec.LookPath("mariadb"); err != nil {
		if _, err := exec.LookPath("mysql"); err == nil {
			return "mysql"
		}
	}
	return "mariadb"
}

// quoteShell makes a text one word of a shell's command line.
func quoteShell(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%,+"
	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
