package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
)

func lsCommand(p *program) *cobra.Command {
	var recursive, long bool
	cmd := &cobra.Command{
		Use: "ls [KEY]", Short: "List the CSS keys below a key", GroupID: groupCatalogue, Args: takes("[KEY]"),
		Example: "  css-sync ls -l /DBS\n  css-sync ls -r /DBS/LSST",
		RunE: func(cmd *cobra.Command, args []string) error {
			root, err := parseRoot(optional(args))
			if err != nil {
				return err
			}
			return p.onCatalogue(cmd.Context(), func(ctx context.Context, css *catalogue) error {
				s, err := css.snapshot(ctx, 0)
				if err != nil {
					return err
				}
				if err := checkRoot(s, root); err != nil {
					return err
				}
				return p.printKeys(listKeys(s, root, recursive), long)
			})
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "list all keys below, not only those directly below")
	cmd.Flags().BoolVarP(&long, "long", "l", false, "list the values and the revisions at which they were written, too")
	return cmd
}

// listKeys returns the keys below root. Without recursive it is the names directly below: those too that are no key themselves
// but have keys below them.
func listKeys(s *cssetcd.Snapshot, root string, recursive bool) []keyView {
	views := []keyView{}
	for key, e := range s.Below(root) {
		name, _, deeper := strings.Cut(key[len(root)+1:], "/")
		if !deeper || recursive {
			views = append(views, viewKey(key, e))
			continue
		}
		child := root + "/" + name
		if _, ok := s.Key(child); !ok && !endsWith(views, child) {
			views = append(views, keyView{Key: child})
		}
	}
	return views
}

func endsWith(views []keyView, key string) bool {
	return len(views) > 0 && views[len(views)-1].Key == key
}

func (p *program) printKeys(views []keyView, long bool) error {
	return p.print(views, func(w io.Writer) {
		if !long {
			for _, v := range views {
				fmt.Fprintln(w, cell(v.Key))
			}
			return
		}
		t := table{header: []string{"KEY", "REVISION", "VALUE"}}
		for _, v := range views {
			row := []string{v.Key, "", ""}
			if v.Value != nil {
				row[1], row[2] = strconv.FormatInt(int64(v.Mod), 10), cmp.Or(*v.Value, "''")
			}
			t.rows = append(t.rows, row)
		}
		t.write(w)
	})
}
