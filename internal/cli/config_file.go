package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/qserv/css-etcd/internal/settings"
)

const configName = "config"

// configFile is the file that holds settings for those that neither the command line nor the environment has.
type configFile struct {
	name    string
	warning string // of what it holds and who may read it; "": none
}

func (c *configFile) register(flags *pflag.FlagSet) {
	flags.StringVar(&c.name, configName, "", "YAML file with settings: names of flags, and their values")
	AllowEnvironment(flags, []string{configName}, OwnPrefix)
}

// largestConfigFile bounds what is read of a file that was named by mistake.
const largestConfigFile = 1 << 20

// read reads the file that is named, if any.
func (c *configFile) read(named settings.Value, flags map[string]*pflag.Flag, others []string) (settings.Layer, error) {
	if named.Level == settings.Default || named.Texts[0] == "" {
		return nil, nil
	}
	name := named.Texts[0]
	data, mode, err := readConfigFile(name)
	if err != nil {
		return nil, inputError{fmt.Errorf("%s: %w", named.From, err)}
	}
	layer, faults := settings.Read(name, data, knownSettings(flags, others))
	if len(faults) > 0 {
		return nil, Hinted(inputError{faultsOf(name, faults)}, "`css-sync config print` shows what a file may say")
	}
	if secrets := secretsIn(layer, flags); len(secrets) > 0 && mode.Perm()&0o004 != 0 {
		c.warning = fmt.Sprintf("everybody on this machine may read %s, which holds a secret (%s): chmod o= %s", name,
			strings.Join(secrets, ", "), name)
	}
	return layer, nil
}

func readConfigFile(name string) ([]byte, os.FileMode, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(file, largestConfigFile+1))
	if err == nil && len(data) > largestConfigFile {
		err = fmt.Errorf("%s is larger than %d bytes, and no file with settings", name, largestConfigFile)
	}
	return data, info.Mode(), err
}

// faultsOf is one fault, or a list of them.
func faultsOf(name string, faults []settings.Fault) error {
	if len(faults) == 1 {
		return faults[0]
	}
	slices.SortStableFunc(faults, func(a, b settings.Fault) int { return a.Line - b.Line })
	text := fmt.Sprintf("%s cannot be used:", name)
	for _, f := range faults {
		text += "\n  " + f.Error()
	}
	return errors.New(text)
}

// secretsIn returns the names of the settings that hold a secret.
func secretsIn(layer settings.Layer, flags map[string]*pflag.Flag) (names []string) {
	for name, value := range layer {
		if _, secret := masked(flags[name], value.Texts); secret {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
