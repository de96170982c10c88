// Package settings merges what the command line, the environment and a configuration file say of a program's settings,
// and reads and writes such files. It knows no flags, files or variables: they are values here.
package settings

import "slices"

// Level is who says something; a higher one is heard before a lower one.
type Level int

// Default is what holds when nobody says anything.
const (
	Default Level = iota
	File
	Environment
	CommandLine
)

// Value is what is said of a setting: one text, or the elements of a list.
type Value struct {
	Texts []string
	Level Level
	From  string // --endpoints, CSS_SYNC_ENDPOINTS, css-sync.yaml:7
}

// Layer is what one level says, or all of them together: values by the names of settings.
type Layer map[string]Value

// Merge returns of each setting what the highest level says that says anything. Alternatives are settings that say the
// same in different ways, such as a password and the file that holds it: what a higher level says of one of them takes
// the place of what lower ones say of any.
func Merge(layers []Layer, alternatives [][]string) Layer {
	merged := Layer{}
	for _, layer := range layers {
		for name, value := range layer {
			if have, ok := merged[name]; !ok || have.Level < value.Level {
				merged[name] = value
			}
		}
	}
	for _, names := range alternatives {
		highest := Default
		for _, name := range names {
			highest = max(highest, merged[name].Level)
		}
		for _, name := range names {
			if merged[name].Level < highest {
				delete(merged, name)
			}
		}
	}
	return merged
}

// Changed returns the names of the settings of which two layers say different things, wherever it comes from.
func Changed(a, b Layer) (names []string) {
	for name := range a {
		if !slices.Equal(a[name].Texts, b[name].Texts) {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
