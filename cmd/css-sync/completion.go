package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/csskey"
)

// completionTime bounds how long someone who presses the tab key waits for names. Without an answer there are none.
const completionTime = time.Second

// names picks those that an argument may be from the keys of all databases, tables and nodes.
type names func(keys []string) []string

func words(texts ...string) names { return func([]string) []string { return texts } }

// completed says what the arguments of a command are; the last goes for those that follow, too. nil stands for
// anything.
var completed = map[string][]names{
	"db show":          {databases, nil},
	"db create":        {nil},
	"db set-status":    {databases, statuses, nil},
	"db drop":          {databases, nil},
	"table list":       {databases, nil},
	"table show":       {tables, nil},
	"table set-status": {tables, statuses, nil},
	"table set-schema": {tables, nil},
	"table set-scan":   {tables, nil},
	"table drop":       {tables, nil},
	"chunk list":       {tables, nil},
	"chunk show":       {tables, nil},
	"chunk add":        {tables, nil, nodes},
	"chunk delete":     {tables, nil},
	"drops show":       {dropNames, nil},
	"drops wait":       {dropNames, nil},
	"drops cancel":     {dropNames, nil},
	"drops retry":      {dropNames, nil},
	"drops abandon":    {dropNames, nil},
	"node show":        {nodes, nil},
	"node set-state":   {nodes, words(string(cssetcd.NodeActive), string(cssetcd.NodeInactive)), nil},
	"node delete":      {nodes, nil},
}

// completedFlags are the flags whose values are completed, by the command and the flag.
var completedFlags = []struct {
	command, flag string
	names         names
}{
	{"", "write-out", words("table", "json")},
	{"db create", "like", databases},
	{"table drop", "policy", words(string(deletion.Wait), string(deletion.Cancel))},
	{"db drop", "policy", words(string(deletion.Wait), string(deletion.Cancel))},
	{"table create", "dir-db", databases},
	{"table create", "match-table1", tables},
	{"table create", "match-table2", tables},
}

var statuses = words(string(cssetcd.StatusReady), string(cssetcd.StatusIgnore))

func databases(keys []string) []string {
	return namesOf(keys, csskey.Database, func(k csskey.Key) string { return k.DB })
}

func nodes(keys []string) []string {
	return namesOf(keys, csskey.Node, func(k csskey.Key) string { return k.Name })
}

func tables(keys []string) []string {
	return namesOf(keys, csskey.Table, func(k csskey.Key) string { return k.DB + "." + k.Name })
}

// dropNames: of what is dropped the name is kept until the drop has ended.
func dropNames(keys []string) []string { return append(databases(keys), tables(keys)...) }

// namesOf returns the names of the things of a kind.
func namesOf(keys []string, kind csskey.Kind, name func(csskey.Key) string) (found []string) {
	for _, key := range keys {
		if k := csskey.Parse(key); k.Kind == kind && k.IsName() {
			found = append(found, name(k))
		}
	}
	return found
}

// addCompletion adds the command that writes the shells' scripts, and what they ask for.
func (p *program) addCompletion(root *cobra.Command) error {
	root.InitDefaultCompletionCmd()
	var faults []error
	find := func(path string) *cobra.Command {
		cmd, _, err := root.Find(strings.Fields(path))
		faults = append(faults, err)
		return cmd
	}
	completion := catalogueGroup("completion", "")
	shells := find("completion")
	shells.Args, shells.RunE = completion.Args, completion.RunE
	for _, shell := range shells.Commands() {
		shell.Args = cli.Takes()
	}
	for path, arguments := range completed {
		find(path).ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]string,
			cobra.ShellCompDirective) {
			return p.complete(cmd, arguments[min(len(args), len(arguments)-1)], begun)
		}
	}
	for _, f := range completedFlags {
		faults = append(faults, find(f.command).RegisterFlagCompletionFunc(f.flag,
			func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
				return p.complete(cmd, f.names, begun)
			}))
	}
	return errors.Join(faults...)
}

// complete returns the names that go on as a word begins. It never fails: then there are none.
func (p *program) complete(cmd *cobra.Command, pick names, begun string) ([]string, cobra.ShellCompDirective) {
	if pick == nil || p.Prepare(cmd) != nil {
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
func (p *program) nameKeys(ctx context.Context) []string {
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
func spellings(ctx context.Context, css *cli.Catalogue) []string {
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
