package cli

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qserv/css-etcd/internal/settings"
)

// A setting is a flag that the environment and the configuration file may set. Flags are marked with what is known of
// them.
const (
	environmentKey  = "css-sync/environment"  // the prefixes of its variables
	sourceKey       = "css-sync/source"       // where its value is from, as an operator knows it
	alternativesKey = "css-sync/alternatives" // the settings that say the same in other ways, and itself
	secretKey       = "css-sync/secret"       // what of it is secret
	namesFileKey    = "css-sync/names-file"   // it names a file that is read

	OwnPrefix     = "CSS_SYNC_"
	EtcdctlPrefix = "ETCDCTL_"
)

// AllowEnvironment lets variables and the configuration file set the named flags; the first prefix wins. Flags that are
// not named, such as --force, can be set on the command line only: what they permit is to be meant each time.
func AllowEnvironment(flags *pflag.FlagSet, names []string, prefixes ...string) {
	annotate(flags, names, environmentKey, prefixes)
}

// Alternatives are settings of which a higher level says all: a password on the command line takes the place of the
// file that a variable names.
func Alternatives(flags *pflag.FlagSet, names ...string) {
	annotate(flags, names, alternativesKey, names)
}

// NameFiles marks settings that name a file that is read.
func NameFiles(flags *pflag.FlagSet, names ...string) { annotate(flags, names, namesFileKey, nil) }

func annotate(flags *pflag.FlagSet, names []string, key string, values []string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, key, values); err != nil {
			panic(err) // the name of a flag is mistyped
		}
	}
}

// isSetting reports whether more than the command line may set a flag.
func isSetting(f *pflag.Flag) bool { return f != nil && len(f.Annotations[environmentKey]) > 0 }

func namesFile(f *pflag.Flag) bool {
	_, ok := f.Annotations[namesFileKey]
	return ok
}

// Variables returns the names of the variables that may set a flag, the first before the others.
func Variables(f *pflag.Flag) (names []string) {
	for _, prefix := range f.Annotations[environmentKey] {
		names = append(names, prefix+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")))
	}
	return names
}

// Source says where a flag's value comes from: "--endpoints", "ETCDCTL_ENDPOINTS", "css-sync.yaml:7 (endpoints)", or ""
// for its default.
func Source(flags *pflag.FlagSet, name string) string {
	f := flags.Lookup(name)
	switch {
	case f == nil:
		return ""
	case f.Changed:
		return "--" + name
	case len(f.Annotations[sourceKey]) > 0:
		return f.Annotations[sourceKey][0]
	}
	return ""
}

// Named is what a message calls a flag: where its value is from, or the flag itself.
func Named(flags *pflag.FlagSet, name string) string { return cmp.Or(Source(flags, name), "--"+name) }

// configure sets the flags that were not given on the command line from their variables, and then from the
// configuration file. All faults are reported.
func (p *Program) configure(cmd *cobra.Command) error {
	flags := cmd.Flags()
	layers := []settings.Layer{commandLine(flags), environment(flags, p.Getenv)}
	file, err := p.configFile.read(settings.Merge(layers, nil)[configName], settingsOf(cmd.Root()), p.about.Others)
	p.Settings = settings.Merge(append(layers, file), alternativesOf(flags))
	if fault := apply(flags, p.Settings); fault != nil {
		return errors.Join(InvalidUse(cmd, "%w", fault), err)
	}
	return err
}

// apply sets flags as the levels below the command line say.
func apply(flags *pflag.FlagSet, all settings.Layer) error {
	var faults []error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := all[f.Name]
		if !ok || value.Level == settings.CommandLine || !isSetting(f) {
			return
		}
		var err error
		if list, ok := f.Value.(pflag.SliceValue); ok {
			err = list.Replace(value.Texts)
		} else {
			err = f.Value.Set(value.Texts[0])
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s=%q: %w", value.From, value.Texts[0], err))
		}
		from := value.From
		if value.Level == settings.File {
			from += " (" + f.Name + ")"
		}
		f.Annotations[sourceKey] = []string{from}
	})
	return errors.Join(faults...)
}

// commandLine is what the flags say that were given.
func commandLine(flags *pflag.FlagSet) settings.Layer {
	layer := settings.Layer{}
	flags.Visit(func(f *pflag.Flag) {
		layer[f.Name] = settings.Value{Texts: textsOf(f), Level: settings.CommandLine, From: "--" + f.Name}
	})
	return layer
}

// environment is what the variables of a command's flags say. One that is empty says nothing.
func environment(flags *pflag.FlagSet, getenv func(string) string) settings.Layer {
	layer := settings.Layer{}
	flags.VisitAll(func(f *pflag.Flag) {
		for _, name := range Variables(f) {
			if text := getenv(name); text != "" {
				layer[f.Name] = settings.Value{Texts: elements(f, text), Level: settings.Environment, From: name}
				return
			}
		}
	})
	return layer
}

// elements returns what a variable says as the flag would read it: some lists are separated by commas.
func elements(f *pflag.Flag, text string) []string {
	if f.Value.Type() != "stringSlice" {
		return []string{text}
	}
	if all, err := csv.NewReader(strings.NewReader(text)).Read(); err == nil {
		return all
	}
	return []string{text}
}

// textsOf returns what a flag says now.
func textsOf(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

func alternativesOf(flags *pflag.FlagSet) (all [][]string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if names := f.Annotations[alternativesKey]; len(names) > 0 && names[0] == f.Name {
			all = append(all, names)
		}
	})
	return all
}

// settingsOf returns the flags of all commands by their names, those that are settings before others of the same name.
func settingsOf(root *cobra.Command) map[string]*pflag.Flag {
	all := map[string]*pflag.Flag{}
	take := func(f *pflag.Flag) {
		if all[f.Name] == nil || !isSetting(all[f.Name]) {
			all[f.Name] = f
		}
	}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.PersistentFlags().VisitAll(take)
		cmd.Flags().VisitAll(take)
		for _, part := range cmd.Commands() {
			visit(part)
		}
	}
	visit(root)
	return all
}

// knownSettings is what a configuration file may say. The others are settings of another program.
func knownSettings(flags map[string]*pflag.Flag, others []string) map[string]settings.Known {
	known := map[string]settings.Known{}
	for name, f := range flags {
		_, list := f.Value.(pflag.SliceValue)
		k := settings.Known{List: list, Check: checkOf(f)}
		switch {
		case name == configName:
			k.Never = "a file names no other one"
		case !isSetting(f):
			k.Never = "what it says is to be meant each time; give --" + name + " on the command line"
		}
		known[name] = k
	}
	for _, name := range others {
		if _, ok := known[name]; !ok {
			known[name] = settings.Known{Any: true}
		}
	}
	return known
}

// checkOf returns what finds faults in a text for a flag; nil where any will do.
func checkOf(f *pflag.Flag) func(string) error {
	if _, list := f.Value.(pflag.SliceValue); list || f.Value.Type() == "string" {
		return nil
	}
	_, isBool := f.Value.(interface{ IsBoolFlag() bool })
	return func(text string) error {
		scratch := reflect.New(reflect.TypeOf(f.Value).Elem()).Interface().(pflag.Value) // the flag stays as it is
		err := scratch.Set(text)
		switch {
		case err == nil:
			return nil
		case isBool:
			return fmt.Errorf("%q is neither true nor false", text)
		case f.Value.Type() == "duration":
			return fmt.Errorf("%q is no duration, such as 10s or 1m30s", text)
		}
		return fmt.Errorf("%q: %w", text, err)
	}
}

// Given returns those of some flags that were given in any way, as they were.
func Given(flags *pflag.FlagSet, names []string) (sources []string) {
	for _, name := range given(flags, names) {
		sources = append(sources, Source(flags, name))
	}
	return sources
}

// given returns the names of those of some flags that were given in any way.
func given(flags *pflag.FlagSet, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return Source(flags, name) == "" })
}

// One returns the name of the one of some alternatives that was given, "" where none was, and fails where several were.
func One(flags *pflag.FlagSet, names ...string) (string, error) {
	switch all := given(flags, names); len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0], nil
	default:
		return "", fmt.Errorf("%s and %s are mutually exclusive", Source(flags, all[0]), Source(flags, all[1]))
	}
}
