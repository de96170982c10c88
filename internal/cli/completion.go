package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
)

// completionTime bounds how long someone who presses the tab key waits for names. Without an answer there are none.
const completionTime = time.Second

// Names picks those that an argument may be from the keys of all databases, tables and nodes.
type Names func(keys []string) []string

// Words are names that need no catalogue.
func Words(texts ...string) Names { return func([]string) []string { return texts } }

// DatabaseNames picks the names of databases.
func DatabaseNames(keys []string) []string {
	return namesOf(keys, csskey.Database, func(k csskey.Key) string { return k.DB })
}

// NodeNames picks the names of nodes.
func NodeNames(keys []string) []string {
	return namesOf(keys, csskey.Node, func(k csskey.Key) string { return k.Name })
}

// TableNames picks the names of tables, with those of their databases.
func TableNames(keys []string) []string {
	return namesOf(keys, csskey.Table, func(k csskey.Key) string { return k.DB + "." + k.Name })
}

// DropNames picks what a drop can be of: the name of what is dropped is kept until the drop has ended.
func DropNames(keys []string) []string { return append(DatabaseNames(keys), TableNames(keys)...) }

// namesOf returns the names of the things of a kind.
func namesOf(keys []string, kind csskey.Kind, name func(csskey.Key) string) (found []string) {
	for _, key := range keys {
		if k := csskey.Parse(key); k.Kind == kind && k.IsName() {
			found = append(found, name(k))
		}
	}
	return found
}

// Completes says what the arguments of a command are; the last goes for those that follow, too. Nil is anything.
func (p *Program) Completes(arguments ...Names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		return p.complete(cmd, arguments[min(len(args), len(arguments)-1)], begun)
	}
}

// CompleteFlag says what the value of a flag is.
func (p *Program) CompleteFlag(cmd *cobra.Command, flag string, names Names) {
	if err := cmd.RegisterFlagCompletionFunc(flag, p.Completes(names)); err != nil {
		panic(err) // the name of the flag is mistyped
	}
}

// CompletionCommand adds the command that writes the shells' scripts. It takes arguments as all others do.
func (p *Program) CompletionCommand(root *cobra.Command) {
	p.CompleteFlag(root, "write-out", Words("table", "json"))
	root.InitDefaultCompletionCmd()
	shells, _, _ := root.Find([]string{"completion"})
	group := Group("completion", "", "")
	shells.Args, shells.RunE = group.Args, group.RunE
	for _, shell := range shells.Commands() {
		shell.Args = Takes()
	}
}

// complete returns the names that go on as a word begins. It never fails: then there are none.
func (p *Program) complete(cmd *cobra.Command, pick Names, begun string) ([]string, cobra.ShellCompDirective) {
	if pick == nil || p.prepare(cmd) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	keys := pick(nil) // words need no catalogue
	if keys == nil {
		keys = pick(p.nameKeys(ctx))
	}
	var found []string
	for _, name := range keys {
		if strings.HasPrefix(name, begun) {
			found = append(found, name)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// nameKeys returns the keys of all databases, tables and nodes; none when that takes too long.
func (p *Program) nameKeys(ctx context.Context) []string {
	css, err := p.Open(ctx, cssetcd.WithReadOnly())
	if err != nil {
		return nil
	}
	defer css.Close()
	if css.Conn != nil {
		return spellings(ctx, css)
	}
	s, err := css.WholeSnapshot(ctx, 0)
	if err != nil {
		return nil
	}
	var keys []string
	for key := range s.Below("") {
		keys = append(keys, key)
	}
	return keys
}

// spellings reads what etcd keeps beside the catalogue so that no two names differ in case only: all names, and without
// chunks.
func spellings(ctx context.Context, css *Catalogue) []string {
	r, err := css.Conn.Get(ctx, css.Prefix()+"/fold/", clientv3.WithPrefix())
	if err != nil {
		return nil
	}
	var keys []string
	for _, e := range r.Kvs {
		keys = append(keys, string(e.Value))
	}
	return keys
}
