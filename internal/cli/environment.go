package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// Flags are marked with the prefixes of the environment variables that may set them.
const (
	environmentKey = "css-sync/environment"
	sourceKey      = "css-sync/source"
	OwnPrefix      = "CSS_SYNC_"
	EtcdctlPrefix  = "ETCDCTL_"
)

// AllowEnvironment lets variables set the named flags; the first prefix wins. Flags that are not named, such as
// --force, can be set on the command line only: what they permit is to be meant each time.
func AllowEnvironment(flags *pflag.FlagSet, names []string, prefixes ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, environmentKey, prefixes); err != nil {
			panic(err) // the name of a flag is mistyped
		}
	}
}

// fromEnvironment sets the flags that were not given on the command line from their variables. All faults are reported.
func fromEnvironment(flags *pflag.FlagSet, getenv func(string) string) error {
	var faults []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			return
		}
		for _, prefix := range f.Annotations[environmentKey] {
			name := prefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
			value := getenv(name)
			if value == "" {
				continue
			}
			if err := f.Value.Set(value); err != nil {
				faults = append(faults, fmt.Errorf("%s=%q: %w", name, value, err))
			}
			f.Annotations[sourceKey] = []string{name}
			return
		}
	})
	return errors.Join(faults...)
}

// Source says where a flag's value comes from: "--endpoints", "ETCDCTL_ENDPOINTS", or "" for its default.
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
