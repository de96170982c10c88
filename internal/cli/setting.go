package cli

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qserv/css-etcd/internal/settings"
)

// Setting is what is known of a setting of a command.
type Setting struct {
	Name      string
	Type      string   // string, bool, duration, ...
	Usage     string   // what it is
	Variables []string // those that may set it
	List      bool
	// Texts is what it is now, without secrets.
	Texts  []string
	Secret bool   // something is left out of the texts
	From   string // where they are from; "": from nowhere, and so they are the default
}

// SettingsOf returns the settings of a command, as they are: first those of all commands, in the order of the help.
func (p *Program) SettingsOf(cmd *cobra.Command) (all []Setting) {
	common := cmd.Root().PersistentFlags()
	cmd.Flags().SortFlags = false
	take := func(f *pflag.Flag) {
		if isSetting(f) && f.Name != configName {
			all = append(all, p.setting(f))
		}
	}
	common.VisitAll(take)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if common.Lookup(f.Name) == nil {
			take(f)
		}
	})
	return all
}

func (p *Program) setting(f *pflag.Flag) Setting {
	_, list := f.Value.(pflag.SliceValue)
	_, usage := pflag.UnquoteUsage(f)
	s := Setting{
		Name: f.Name, Type: f.Value.Type(), Usage: usage, Variables: Variables(f), List: list, From: p.Settings[f.Name].From,
	}
	s.Texts, s.Secret = masked(f, textsOf(f))
	return s
}

// Line is a setting as a configuration file says it. What nobody has set, and secrets, are comments.
func (s Setting) Line(source bool) settings.Line {
	line := settings.Line{
		Name: s.Name, Texts: s.Texts, List: s.List, Bare: !s.List && s.Type != "string", Out: s.From == "" || s.Secret,
	}
	switch {
	case source && s.From == "":
		line.Note = "default"
	case source:
		line.Note = s.From
	}
	for _, text := range s.Texts {
		if !utf8.ValidString(text) {
			line.Out, line.Note = true, join(line.Note, "it is not valid UTF-8")
		}
	}
	if s.Secret {
		line.Note = join(line.Note, "the secret is not shown")
	}
	return line
}

func join(note, more string) string {
	if note == "" {
		return more
	}
	return note + "; " + more
}

// Said returns what a command was told, with digests of the files that its settings name, as they are now. Two of them
// tell whether anything has changed. What is no file, such as a pipe, can be read once, and is left to who uses it.
func (p *Program) Said(cmd *cobra.Command) settings.Layer {
	said := settings.Layer{}
	for name, value := range p.Settings {
		if f := cmd.Flags().Lookup(name); f != nil && namesFile(f) {
			texts := slices.Clone(value.Texts)
			for _, file := range value.Texts {
				texts = append(texts, digest(file))
			}
			value.Texts = texts
		}
		said[name] = value
	}
	return said
}

func digest(file string) string {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}
