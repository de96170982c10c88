package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/roles"
)

// rolesFlags say what becomes of the roles.
type rolesFlags struct {
	named         string
	apply, dryRun bool
}

func rolesCommand(p *program) *cobra.Command {
	var f rolesFlags
	cmd := &cobra.Command{
		Use: "roles [PART...]", Short: "Print the roles of etcd for css-sync and czars, and make them",
		GroupID: groupDaemon, Args: cli.Takes("[PART]..."), Annotations: cli.OnlyEtcd,
		ValidArgsFunction: p.Completes(cli.Words(partNames()...)),
		Long: `Print the role of each part, as commands of etcdctl; nothing is asked of etcd. Without PART that is all of them:

` + partsHelp() + `
A process that does several things takes a user with several roles: css-sync serve has mirror and coordinator. Compacting etcd's history, which serve does
unless it is told --compact=off, and disarming alarms take etcd's own role root.

With --apply css-sync makes the roles in etcd, as a user with the role root if etcd has users, and tells what it changed. What a role may do below --prefix and
need not, is taken from it; all else stays. --dry-run prints the commands for what is not yet as it should be. Users are the operator's: etcdctl user add NAME and
etcdctl user grant-role NAME css-czar.

With -w json a list of {"part","role","permissions"}, each permission being {"access","key","range_end"}; "range_end" is "" for one key. With --apply or --dry-run
a list of the changes, {"change","role","permission"}, change being "add", "grant" or "revoke".`,
		Example: "  css-sync roles czar reader | sh\n  css-sync roles --apply --user root",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.apply && f.dryRun {
				return cli.InvalidUse(cmd, "give one of --apply and --dry-run")
			}
			wanted, err := f.wanted(cmd, p.Connection.Prefix, args)
			if err != nil {
				return err
			}
			if f.apply || f.dryRun {
				return p.bringRoles(cmd.Context(), wanted, f.dryRun)
			}
			return p.PrintExactly(wanted, func(w io.Writer) { writeRoles(w, wanted) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.named, "role-prefix", "css-", "what the names of the roles begin with; the part follows")
	flags.BoolVar(&f.apply, "apply", false, "make the roles in etcd, or change them, and tell what was changed")
	flags.BoolVar(&f.dryRun, "dry-run", false, "look at etcd, and print what --apply would do")
	return cmd
}

func partNames() (names []string) {
	for _, part := range roles.Parts {
		names = append(names, string(part))
	}
	return names
}

func partsHelp() (text string) {
	for _, part := range roles.Parts {
		text += fmt.Sprintf("  %-15s %s\n", part, part.Does())
	}
	return text
}

// roleView is the JSON form of a role.
type roleView struct {
	Part        roles.Part       `json:"part"`
	Role        string           `json:"role"`
	Permissions []permissionView `json:"permissions"`
	role        roles.Role
}

type permissionView struct {
	Access roles.Access `json:"access"`
	Key    string       `json:"key"`
	End    string       `json:"range_end"` // "": the key alone
}

// wanted returns the roles of the parts that the command line names.
func (f rolesFlags) wanted(cmd *cobra.Command, prefix string, args []string) ([]roleView, error) {
	if _, err := kv.NewEtcd(nil, prefix); err != nil {
		return nil, cli.InvalidUse(cmd, "%w", err)
	}
	for _, text := range []string{prefix, f.named} {
		if cli.Printable(text) != text {
			return nil, cli.InvalidUse(cmd, "%q has characters that a terminal does not show", text)
		}
	}
	for _, name := range args {
		if !slices.Contains(partNames(), name) {
			return nil, cli.InvalidUse(cmd, "there is no part %q; the parts are %s", name, strings.Join(partNames(), ", "))
		}
	}
	var views []roleView
	for _, part := range roles.Parts {
		if len(args) > 0 && !slices.Contains(args, string(part)) {
			continue
		}
		v := roleView{Part: part, role: roles.RoleOf(part, prefix, f.named)}
		v.Role = v.role.Name
		for _, permission := range v.role.Permissions {
			v.Permissions = append(v.Permissions, permissionView(permission))
		}
		views = append(views, v)
	}
	return views, nil
}

// writeRoles writes commands for a shell.
func writeRoles(w io.Writer, views []roleView) {
	for i, v := range views {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "# %s: %s\n", v.Part, v.Part.Does())
		for _, s := range roles.Plan(nil, []roles.Role{v.role}, "") {
			fmt.Fprintln(w, s.Command())
		}
	}
}

// roleChangeView is the JSON form of a change of a role.
type roleChangeView struct {
	Change     roles.Kind      `json:"change"`
	Role       string          `json:"role"`
	Permission *permissionView `json:"permission"` // null where the role is added
}

func viewRoleChanges(steps []roles.Step) []roleChangeView {
	views := []roleChangeView{}
	for _, s := range steps {
		v := roleChangeView{Change: s.Kind, Role: s.Role}
		if s.Kind != roles.AddRole {
			v.Permission = (*permissionView)(&s.Permission)
		}
		views = append(views, v)
	}
	return views
}

// bringRoles makes etcd's roles what they should be, or prints how.
func (p *program) bringRoles(ctx context.Context, wanted []roleView, dryRun bool) error {
	err := p.Shortly(ctx, func(ctx context.Context, css *cli.Catalogue) error {
		var want []roles.Role
		var names []string
		for _, v := range wanted {
			want, names = append(want, v.role), append(names, v.Role)
		}
		have, err := roles.Present(ctx, css.Conn, names)
		if err != nil {
			return err
		}
		steps := roles.Plan(have, want, p.Connection.Prefix)
		if dryRun {
			return p.printSteps(steps, roles.Step.Command)
		}
		var done []roles.Step
		failed := roles.Apply(ctx, css.Conn, steps, func(s roles.Step) { done = append(done, s) })
		if failed != nil && len(done) == 0 {
			return failed
		}
		return errors.Join(failed, p.printSteps(done, roles.Step.String))
	})
	if errors.Is(err, rpctypes.ErrPermissionDenied) || errors.Is(err, rpctypes.ErrUserEmpty) ||
		errors.Is(err, cssetcd.ErrUnauthorized) && !errors.Is(err, rpctypes.ErrAuthFailed) {
		return cli.Hinted(errors.New("only a user with etcd's own role root may look at roles and change them"),
			"give --user root, and its password in CSS_SYNC_PASSWORD")
	}
	return err
}

func (p *program) printSteps(steps []roles.Step, text func(roles.Step) string) error {
	return p.Print(viewRoleChanges(steps), func(w io.Writer) {
		if len(steps) == 0 {
			fmt.Fprintln(w, "nothing to do: the roles are as they should be")
		}
		for _, s := range steps {
			fmt.Fprintln(w, text(s))
		}
	})
}
