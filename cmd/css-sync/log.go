package main

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/history"
)

// logFlags say which changes log shows.
type logFlags struct {
	limit        int
	from, to     cli.RevisionFlag
	reverse, all bool
}

func logCommand(p *program) *cobra.Command {
	f := logFlags{limit: 100}
	cmd := &cobra.Command{
		Use: "log [DATABASE[.TABLE]]", Short: "Tell who changed what, and when", GroupID: groupCatalogue,
		Args: cli.Takes("[DATABASE[.TABLE]]"), Annotations: cli.OnlyEtcd,
		ValidArgsFunction: p.Completes(cli.DropNames, nil),
		Long: `Tell who changed what, and when: one revision of etcd a line, the newest first. It reaches back as far as etcd's own history, of which
css-sync serve --compact says how much is kept: an hour, unless told otherwise. Where it begins is said at the end.

The author is what a writer says of itself, with --author, and the time that of its machine; nobody checks them. What was not written by css-sync or its library
says neither: its author is told where the keys give it away (a coordinator, a czar, a mirror), and "unknown" otherwise, as with etcdctl.

A database or table need not be there any more. With -w json: a list of objects {"revision","time","author","operation","signed","changes"}, in which null stands
for what is not known, and "signed" is false where at most the keys tell who it was.`,
		Example: "  css-sync log\n  css-sync log LSST.Object --limit 10\n  css-sync log --from 1200 --to 1300 --reverse",
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := f.query(cmd, optional(args))
			if err != nil {
				return err
			}
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				return p.log(ctx, css, query, f)
			})
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.limit, "limit", f.limit, "how many to show at most, of the newest; 0: all")
	flags.Var(&f.from, "from", "the oldest revision to show; 0: where etcd's history begins")
	flags.Var(&f.to, "to", "the newest revision to show; 0: the newest there is")
	flags.BoolVar(&f.reverse, "reverse", false, "show the oldest first")
	flags.BoolVar(&f.all, "all", false,
		"show also what keeps czars, drops and mirrors going, and what is kept beside names")
	return cmd
}

// query checks the command line.
func (f logFlags) query(cmd *cobra.Command, name string) (history.Query, error) {
	q := history.Query{From: cssetcd.Revision(f.from), To: cssetcd.Revision(f.to), Limit: f.limit}
	q.Upkeep = f.all
	switch {
	case f.limit < 0:
		return q, cli.InvalidUse(cmd, "--limit is %d and must be 0 or above", f.limit)
	case q.To != 0 && q.From > q.To:
		return q, cli.InvalidUse(cmd, "--from is %d, which is after --to, %d", q.From, q.To)
	case name == "":
		return q, nil
	}
	_, err := deletion.ParseName(name)
	q.DB, q.Table, _ = strings.Cut(name, ".")
	return q, err
}

// firstRevision is the first of an etcd that can have changed anything.
const firstRevision = 2

func (p *program) log(ctx context.Context, css *cli.Catalogue, q history.Query, f logFlags) error {
	found, err := history.Read(ctx, css.Client, q)
	if err != nil {
		return err
	}
	lines := newLogLines(found.Entries, f.reverse)
	if err := p.Print(lines, lines.write); err != nil {
		return err
	}
	switch {
	case !found.Complete:
		p.Say("these are the newest %d; --limit 0 shows all", f.limit)
	case q.From < found.Begins && found.Begins > firstRevision:
		p.Say("history begins at revision %d: what was before is compacted", found.Begins)
	}
	return nil
}

type logLines []form.Logged

func newLogLines(entries []history.Entry, reverse bool) logLines {
	lines := make(logLines, len(entries))
	for i, e := range entries {
		at := i
		if reverse {
			at = len(entries) - 1 - i
		}
		lines[at] = form.OfLogged(e)
	}
	return lines
}

// mostChanges is how many changes of one revision a line has room for.
const mostChanges = 4

func (l logLines) write(w io.Writer) {
	t := cli.Table{Header: []string{"REVISION", "TIME", "AUTHOR", "OPERATION", "CHANGES"}, Widest: 40}
	for _, line := range l {
		row := []string{strconv.FormatInt(int64(line.Revision), 10), "", "unknown", "", ""}
		if line.Time != nil {
			row[1] = line.Time.Format(time.RFC3339)
		}
		if line.Author != nil {
			row[2] = *line.Author
		}
		if line.Operation != nil {
			row[3] = cli.Shorten(*line.Operation)
		}
		shown := line.Changes
		if len(shown) > mostChanges {
			shown = append(shown[:mostChanges:mostChanges], strconv.Itoa(len(line.Changes)-mostChanges)+" more")
		}
		row[4] = strings.Join(shown, "; ")
		t.Rows = append(t.Rows, row)
	}
	t.Write(w)
}
