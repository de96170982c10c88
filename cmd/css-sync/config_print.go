package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/settings"
)

// settingView is the JSON form of a setting.
type settingView struct {
	Name   string `json:"name"`
	Value  any    `json:"value"` // a text, or a list of texts
	Source string `json:"source"`
	Secret bool   `json:"secret,omitempty"`
}

func configPrint(p *program) *cobra.Command {
	var source bool
	f := newServeFlags() // whose flags are all settings of css-sync, so that it can be given what serve is given
	cmd := &cobra.Command{
		Use: "print", Short: "Print all settings as a configuration file", Args: cli.Takes(),
		Long: configHelp + `

It prints what is in force for a command line with the same flags, as a file that --config can be given. What nobody has set is a comment, with
its default. Secrets are comments, too, with *** in their place: put them into files, and name these. It takes the flags of css-sync serve.

A file that cannot be used is an error, with all that is wrong with it. With -w json: a list of {"name","value","source","secret"};
value is a text or a list of texts, source the flag, the variable, FILE:LINE, or "default".`,
		Example: "  css-sync config print > css-sync.yaml\n  css-sync config print --config css-sync.yaml --show-source",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := p.SettingsOf(cmd)
			if p.Output.JSON() {
				return p.Print(settingViews(all), nil)
			}
			var lines []settings.Line
			for _, s := range all {
				lines = append(lines, s.Line(source))
			}
			return p.PrintExactly(nil, func(w io.Writer) {
				fmt.Fprintln(w, "# What nobody has set, and what holds a secret, is a comment.")
				_ = settings.Write(w, lines) // the writer keeps its error
			})
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&source, "show-source", false, "say in comments where each comes from")
	return cmd
}

func settingViews(all []cli.Setting) (views []settingView) {
	for _, s := range all {
		v := settingView{Name: s.Name, Source: s.From, Secret: s.Secret}
		if v.Value = any(s.Texts); !s.List {
			v.Value = s.Texts[0]
		}
		if s.From == "" {
			v.Source = "default"
		}
		views = append(views, v)
	}
	return views
}
