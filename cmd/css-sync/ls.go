package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func lsCommand(p *program) *cobra.Command {
	var recursive, long bool
	var unpacked *bool
	cmd := &cobra.Command{
		Use: "ls [KEY]", Short: "List the CSS keys below a key", GroupID: groupCatalogue, Args: cli.Takes("[KEY]"),
		Example: "  css-sync ls -l /DBS\n  css-sync ls -r /DBS/LSST",
		RunE: func(cmd *cobra.Command, args []string) error {
			root, err := parseRoot(optional(args))
			if err != nil {
				return err
			}
			if !recursive && !*unpacked {
				return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
					found, err := css.Raw().Children(ctx, root)
					if err != nil {
						return err
					}
					return p.printKeys(childKeys(root, found), long)
				})
			}
			return p.OnWhole(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				s, err := css.WholeSnapshot(ctx, 0)
				if err != nil {
					return err
				}
				if err := checkRoot(s, root, *unpacked); err != nil {
					return err
				}
				var bad unreadables
				if err := p.printKeys(form.OfKeys(listed(s, root, *unpacked, &bad), root, recursive), long); err != nil {
					return err
				}
				return bad.err("packed key")
			})
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "list all keys below, not only those directly below")
	cmd.Flags().BoolVarP(&long, "long", "l", false, "list the values and the revisions at which they were written, too")
	unpacked = unpackedFlag(cmd)
	return cmd
}

// childKeys returns what stands directly below root, by name.
func childKeys(root string, found map[string]cssetcd.Entry) []form.Key {
	views := []form.Key{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if e := found[name]; e.Exists() {
			views = append(views, form.OfKey(root+"/"+name, e))
		} else {
			views = append(views, form.Key{Key: root + "/" + name})
		}
	}
	return views
}

func (p *program) printKeys(views []form.Key, long bool) error {
	return p.Print(views, func(w io.Writer) {
		if !long {
			for _, v := range views {
				fmt.Fprintln(w, cli.Cell(v.Key))
			}
			return
		}
		t := cli.Table{Header: []string{"KEY", "REVISION", "VALUE"}}
		for _, v := range views {
			row := []string{v.Key, "", ""}
			if v.Value != nil {
				row[1], row[2] = strconv.FormatInt(int64(v.Mod), 10), cmp.Or(*v.Value, "''")
			}
			t.Rows = append(t.Rows, row)
		}
		t.Write(w)
	})
}
