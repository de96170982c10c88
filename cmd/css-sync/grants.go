package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

func grantsCommand(p *program) *cobra.Command {
	var user, database string
	var readOnly, noCreate, capture, empty bool
	cmd := &cobra.Command{
		Use: "grants", Short: "Print the SQL that lets a MySQL user do what css-sync does, and no more", GroupID: groupDaemon,
		Args: cli.Takes(),
		Long: `Print the SQL that lets a MySQL user do what css-sync does, and no more. Nothing is executed. Without options that is what serve and
mirror --once need, making the tables included; --no-create leaves that out and prints how to make the tables; --read-only is
what check, status and diff need. With --capture it also prints what capturing needs that others write into kvData: installing, running and removing
it (css-sync mirror --capture). A server with a binary log asks for SUPER in addition, or for log_bin_trust_function_creators while it is installed. With
--remove-empty-chunks it also prints what removing a table of empty chunks needs when etcd no longer says which they are, DROP on all tables of the
database; without it such tables stay, and the daemon says so.`,
		Example: "  css-sync grants | mysql -u root\n  css-sync grants --user \"'css'@'10.0.0.%'\" --no-create",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if readOnly && noCreate {
				return cli.InvalidUse(cmd, "give one of --read-only and --no-create")
			}
			if readOnly && empty {
				return cli.InvalidUse(cmd, "give one of --read-only and --remove-empty-chunks")
			}
			if readOnly && capture {
				return cli.InvalidUse(cmd, "give one of --read-only and --capture")
			}
			if database == "" {
				target, err := p.MySQL.Target(p.Connection.DialTimeout)
				if err != nil {
					return err
				}
				if database = cli.DefaultDatabase; target != nil {
					database = cmp.Or(target.DBName, database)
				}
			}
			var statements []string
			switch {
			case readOnly:
				statements = kvdata.ReadGrants(user, database)
			case noCreate:
				statements = append(kvdata.Schema(database), kvdata.Grants(user, database, false)...)
			default:
				statements = kvdata.Grants(user, database, true)
			}
			if capture {
				statements = append(statements, kvdata.CaptureGrants(user, database)...)
			}
			if empty {
				statements = append(statements, kvdata.EmptyGrants(user, database)...)
			}
			return p.PrintExactly(statements, func(w io.Writer) {
				for _, s := range statements {
					fmt.Fprintln(w, s+";")
				}
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&user, "user", "'css-sync'@'%'", "the MySQL user, quoted as in SQL")
	flags.StringVar(&database, "database", "", "the database of kvData; that of --mysql-dsn, or "+cli.DefaultDatabase+
		", where none is given")
	flags.BoolVar(&readOnly, "read-only", false, "what commands need that only look")
	flags.BoolVar(&noCreate, "no-create", false, "leave out the making of tables, and print how they are made")
	flags.BoolVar(&capture, "capture", false, "and what capturing needs that others write into kvData")
	flags.BoolVar(&empty, "remove-empty-chunks", false, "and what removing tables <database>_EmptyChunks needs")
	return cmd
}
