package settings_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/settings"
)

// said makes a layer of one level.
func said(level settings.Level, from string, pairs ...string) settings.Layer {
	layer := settings.Layer{}
	for i := 0; i < len(pairs); i += 2 {
		layer[pairs[i]] = settings.Value{Texts: []string{pairs[i+1]}, Level: level, From: from}
	}
	return layer
}

func TestMergeHearsTheHighestLevel(t *testing.T) {
	line := func(pairs ...string) settings.Layer { return said(settings.CommandLine, "line", pairs...) }
	env := func(pairs ...string) settings.Layer { return said(settings.Environment, "env", pairs...) }
	file := func(pairs ...string) settings.Layer { return said(settings.File, "file", pairs...) }
	where := [][]string{{"dsn", "dsn-file", "czar"}, {"password", "password-file"}}
	tests := map[string]struct {
		layers []settings.Layer
		want   map[string]string // the level's name and the text, of each
	}{
		"nobody says anything": {nil, map[string]string{}},
		"one level each": {[]settings.Layer{line("a", "1"), env("b", "2"), file("c", "3")},
			map[string]string{"a": "line 1", "b": "env 2", "c": "file 3"}},
		"flags before the environment": {[]settings.Layer{line("a", "1"), env("a", "2")},
			map[string]string{"a": "line 1"}},
		"the environment before the file": {[]settings.Layer{env("a", "2"), file("a", "3")}, map[string]string{"a": "env 2"}},
		"flags before the file": {[]settings.Layer{line("a", "1"), file("a", "3")},
			map[string]string{"a": "line 1"}},
		"all three": {[]settings.Layer{line("a", "1"), env("a", "2"), file("a", "3")},
			map[string]string{"a": "line 1"}},
		"in any order": {[]settings.Layer{file("a", "3"), env("a", "2"), line("a", "1")},
			map[string]string{"a": "line 1"}},
		"an empty text is said, too": {[]settings.Layer{line("a", ""), file("a", "3")}, map[string]string{"a": "line "}},
		"an alternative takes the place of those below": {
			[]settings.Layer{line("czar", "c"), env("dsn", "d"), file("dsn-file", "f", "a", "3")},
			map[string]string{"czar": "line c", "a": "file 3"}},
		"alternatives of one level stay": {
			[]settings.Layer{env("dsn", "d", "czar", "c"), file("dsn-file", "f")}, map[string]string{"dsn": "env d",
				"czar": "env c"}},
		"one below the same name": {
			[]settings.Layer{line("dsn", "d"), env("dsn", "e", "czar", "c")}, map[string]string{"dsn": "line d"}},
		"others are no alternatives": {
			[]settings.Layer{line("dsn", "d"), file("password-file", "p")}, map[string]string{"dsn": "line d",
				"password-file": "file p"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			have := map[string]string{}
			for name, v := range settings.Merge(test.layers, where) {
				have[name] = v.From + " " + v.Texts[0]
			}
			assert.Equal(t, test.want, have)
		})
	}
}

func TestMergeLeavesItsLayersAlone(t *testing.T) {
	line, file := said(settings.CommandLine, "line", "a", "1"), said(settings.File, "file", "b", "2")
	settings.Merge([]settings.Layer{file, line}, [][]string{{"a", "b"}})
	assert.Len(t, line, 1)
	assert.Len(t, file, 1)
}

func TestChanged(t *testing.T) {
	a := said(settings.File, "file:1", "same", "1", "other", "1", "gone", "1")
	b := said(settings.File, "file:9", "same", "1", "other", "2", "new", "1")
	assert.Equal(t, []string{"gone", "new", "other"}, settings.Changed(a, b), "and not where it stands")
	assert.Empty(t, settings.Changed(a, a))
}
