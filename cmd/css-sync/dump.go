package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/flatjson"
)

func dumpCommand(p *program) *cobra.Command {
	var root, file string
	var rev cli.RevisionFlag
	var unpacked *bool
	cmd := &cobra.Command{
		Use: "dump", Short: "Write the catalogue as JSON, in Qserv's form", GroupID: groupFiles, Args: cli.Takes(),
		Long: `Write the catalogue, as it is at one revision, as a flat JSON object of keys and values: the form that Qserv dumps and reads.
Equal catalogues give equal bytes. With --unpacked it is what readers see: the members of packed keys as keys beside them, but for
members that are objects or lists, which nobody reads. What came into the catalogue past css-sync and breaks the rules is dumped as it is;
what "css-sync restore" would refuse of it is said on standard error.`,
		Example: "  css-sync dump -o css.json\n  css-sync dump --root /DBS/LSST",
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := parseRoot(root)
			if err != nil {
				return err
			}
			if path, err := p.File.Path(); err == nil && path != "" && rev != 0 {
				return cli.InvalidUse(cmd, "%s says that the catalogue is on a file, which has no revisions",
					cli.Source(p.File.Flags, "css"))
			}
			return p.OnWhole(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				s, err := css.WholeSnapshot(ctx, cssetcd.Revision(rev))
				if err != nil {
					return err
				}
				if err := checkRoot(s, root, *unpacked); err != nil {
					return err
				}
				if err := p.dump(s, root, file, *unpacked); err != nil {
					return err
				}
				if root == "" && !*unpacked { // others are not for restoring
					p.warnOfFaults(s)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&root, "root", "", "only the keys below this one")
	cmd.Flags().Var(&rev, "rev", "as of this revision of etcd; 0: the newest")
	cmd.Flags().StringVarP(&file, "output", "o", "",
		"file to write, replaced as a whole when all of it is written (default: standard output)")
	unpacked = unpackedFlag(cmd)
	return cmd
}

// warnOfFaults says what to mend in a catalogue as long as it is there: its dump is no backup.
func (p *program) warnOfFaults(s *cssetcd.Snapshot) {
	if err := s.CheckDump(); err != nil {
		p.Say("warning: `css-sync restore` would refuse this dump: %s", cli.Sentence(errors.Unwrap(err)))
	}
}

func (p *program) dump(s *cssetcd.Snapshot, root, file string, unpacked bool) error {
	var bad unreadables
	write := func(w io.Writer) error { return s.WriteDump(w, root) }
	if unpacked {
		write = func(w io.Writer) error {
			return flatjson.Write(w, listed(s, root, true, &bad), func(e cssetcd.Entry) string { return e.Value })
		}
	}
	if file == "" || file == "-" {
		if err := write(p.Stdout); err != nil {
			return err
		}
		return bad.err("packed key")
	}
	if err := cli.WriteFile(file, write); err != nil {
		return err
	}
	p.Say("%s holds the catalogue at revision %d", file, s.Revision())
	return bad.err("packed key")
}
