package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

const manualHead = `# Configuration

The settings of css-sync and css-lab. This document is made from the flags of css-sync, by ` + "`TestManualOfSettings`" + `;
[OPERATIONS.md](OPERATIONS.md#a-configuration-file) has an example.

A setting can be given in three ways, and what is further up counts:

1. as a flag, ` + "`--session-ttl 20s`" + `;
2. in the environment, ` + "`CSS_SYNC_SESSION_TTL=20s`" + `; a variable that is empty says nothing;
3. in the file that ` + "`--config`" + ` or ` + "`CSS_SYNC_CONFIG`" + ` names, ` + "`session-ttl: 20s`" + `.

Some settings say the same in different ways, such as a password and the file that holds it. Of those, what is said
further up takes the place of all that is said further down.

The file is YAML: names of settings and their values. Lists are lists, durations are texts such as ` + "`1m30s`" + `. One file
serves all commands of both programs, and each takes what it knows. Everything that is wrong with the file is told at
once, with its line, and nothing is done then. Flags that are not listed here can be given on the command line only:
what they permit is to be meant each time. Names of files are relative to where the program runs.

Passwords belong in files of their own, which a setting that ends in ` + "`-file`" + ` names.

At SIGHUP ` + "`css-sync serve`" + ` reads the file anew. It keeps ` + "`data-dir`" + ` and ` + "`listen-client`" + `, and says so if they have
changed; where ` + "`listen-http`" + ` has changed it takes nothing. A change of ` + "`log-level`" + ` alone takes effect at
once; after any other it ends what runs and begins again.

` + "`css-sync config print --show-source`" + ` prints what is in force, and where it comes from, as such a file.
`

// TestManualOfSettings: docs/CONFIG.md is what the flags say.
func TestManualOfSettings(t *testing.T) {
	root := newProgram(nil, nil, nil, nil).RootCommand()
	cmd, _, err := root.Find([]string{"config", "print"})
	if err != nil {
		t.Fatal(err)
	}
	users := map[string][]string{}
	everySetting(func(cmd *cobra.Command, name string, _ []string) {
		if path := cmd.CommandPath(); path != "css-sync config print" {
			users[name] = append(users[name], path)
		}
	})
	var common, some strings.Builder
	for _, s := range cli.NewProgram(cli.About{}, nil, nil, nil, nil).SettingsOf(cmd) {
		if to := users[s.Name]; slices.Equal(to, []string{"css-sync"}) {
			common.WriteString(manualOf(s, ""))
		} else {
			some.WriteString(manualOf(s, " Of `"+strings.Join(to, "`, `")+"`."))
		}
	}
	clitest.Golden(t, "../../../docs/CONFIG.md", manualHead+"\n## Settings of all commands\n\n"+common.String()+
		"\n## Settings of some commands\n\n"+some.String())
}

// typeWords say in a document what a setting takes.
var typeWords = map[string]string{
	"string": "a text", "bool": "true or false", "duration": "a duration", "duration|off": "a duration, or off",
}

func manualOf(s cli.Setting, users string) string {
	kind := typeWords[s.Type]
	if s.List {
		kind = "a list"
	}
	value := "nothing"
	if shown := strings.Join(s.Texts, ", "); shown != "" {
		value = "`" + shown + "`"
	}
	return wrapped(fmt.Sprintf("- **`%s`** (%s; by default %s): %s. `%s`.%s", s.Name, kind, value, s.Usage,
		strings.Join(s.Variables, "`, `"), users))
}

// wrapped breaks the text of a list's element into lines.
func wrapped(text string) string {
	var out strings.Builder
	width := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width+1+n > 120:
			out.WriteString("\n  ")
			width = 2
		default:
			out.WriteString(" ")
			width++
		}
		out.WriteString(word)
		width += n
	}
	return out.String() + "\n"
}

// everySetting calls a function with each setting of each command that may be given more than on the command line.
func everySetting(do func(cmd *cobra.Command, name string, variables []string)) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		take := func(f *pflag.Flag) {
			if v := cli.Variables(f); len(v) > 0 {
				do(cmd, f.Name, v)
			}
		}
		if cmd.HasParent() {
			cmd.LocalNonPersistentFlags().VisitAll(take)
		} else {
			cmd.PersistentFlags().VisitAll(take)
		}
		for _, part := range cmd.Commands() {
			visit(part)
		}
	}
	visit(newProgram(nil, nil, nil, nil).RootCommand())
}
