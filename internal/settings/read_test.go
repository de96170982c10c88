package settings_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/settings"
)

var known = map[string]settings.Known{
	"endpoints": {List: true}, "mysql-dsn": {List: true}, "prefix": {}, "password": {}, "user": {},
	"elsewhere": {Any: true},
	"number": {Check: func(text string) error {
		if _, err := strconv.Atoi(text); err != nil {
			return errors.New("it is no number")
		}
		return nil
	}},
	"force": {Never: "it is to be meant each time"},
}

func TestRead(t *testing.T) {
	layer, faults := settings.Read("css.yaml", []byte(`# a comment
endpoints: [a:1, "b:2"]

prefix: /x # another
password: 0x10
mysql-dsn:
  - one
  - two
user: true
number: "7"
elsewhere: [p, q]
`), known)
	require.Empty(t, faults)
	value := func(line string, texts ...string) settings.Value {
		return settings.Value{Texts: texts, Level: settings.File, From: "css.yaml:" + line}
	}
	assert.Equal(t, settings.Layer{
		"endpoints": value("2", "a:1", "b:2"), "prefix": value("4", "/x"), "password": value("5", "0x10"),
		"mysql-dsn": value("6", "one", "two"), "user": value("9", "true"), "number": value("10", "7"),
		"elsewhere": value("11", "p", "q"),
	}, layer)
	for _, nothing := range []string{"", "# only this\n", "---\n", "null\n"} {
		layer, faults = settings.Read("css.yaml", []byte(nothing), known)
		assert.Empty(t, faults, nothing)
		assert.Empty(t, layer, nothing)
	}
}

// TestFaults: all of a file, each with its line. The word secret stands for what must not be shown.
func TestFaults(t *testing.T) {
	tests := map[string]struct{ file, want string }{
		"unknown":                   {"\nendpoint: [a]", `css.yaml:2: there is no setting "endpoint"; did you mean "endpoints"?`},
		"unknown, as variable":      {"CSS_SYNC_PREFIX: a", `css.yaml:1: there is no setting "CSS_SYNC_PREFIX"; did you mean "prefix"?`},
		"unknown, and nothing near": {"colour: red", `css.yaml:1: there is no setting "colour"`},
		"what permits something":    {"force: true", "css.yaml:1: force cannot stand in a file: it is to be meant each time"},
		"near to it":                {"forcee: true", `css.yaml:1: there is no setting "forcee"`},
		"twice":                     {"prefix: a\nuser: b\nprefix: c", "css.yaml:3: prefix is set in line 1 already"},
		"twice, both wrong": {"number: a\nnumber: b",
			"css.yaml:1: number: it is no number\ncss.yaml:2: number is set in line 1 already"},
		"a list for a text": {"password: [secret]", "css.yaml:1: password is one value, and no list"},
		"a map for a text":  {"password:\n  secret: a", "css.yaml:2: password is one value, and no list"},
		"a text for a list": {"endpoints: a:1,b:2",
			"css.yaml:1: endpoints is a list: write [ONE, ANOTHER], or each in a line of its own that begins with -"},
		"a list in a list": {"mysql-dsn:\n  - [secret]",
			"css.yaml:2: mysql-dsn is a list of texts, and this is more than a text"},
		"an empty list":    {"endpoints: []", "css.yaml:1: endpoints is an empty list; leave the line out"},
		"an empty element": {"endpoints:\n  - a\n  -", "css.yaml:3: endpoints has an element without a value"},
		"no value":         {"prefix:\nuser: a", `css.yaml:1: prefix has no value; leave the line out, or write "" for an empty one`},
		"a wrong value":    {"number: many", "css.yaml:1: number: it is no number"},
		"a star": {"user: a\npassword: *secret",
			"css.yaml:2: a text that begins with * has to stand between quotes"},
		"an anchor": {"password: &secret x",
			"css.yaml:1: password: a text that begins with * or & has to stand between quotes"},
		"an alias": {"user: &secret x\npassword: *secret",
			"css.yaml:1: user: a text that begins with * or & has to stand between quotes\ncss.yaml:2: password: a text " +
				"that begins with * or & has to stand between quotes"},
		"a tag": {"password: !secret x",
			"css.yaml:1: password: a text that begins with ! has to stand between quotes"},
		"a percent sign": {"password: %secret", "css.yaml:1: this is not YAML: found character that cannot " +
			"start any token; a text with special characters has to stand between quotes"},
		"a key that is none": {"? [a]\n: b", "css.yaml:1: the line does not begin with the name of a setting"},
		"a secret for a key": {"u:secret@h: b", "css.yaml:1: the line does not begin with the name of a setting"},
		"only a text":        {"u:secret@tcp(h)/", "css.yaml:1: the file has to be lines of the form NAME: VALUE"},
		"a list":             {"\n- secret", "css.yaml:2: the file has to be lines of the form NAME: VALUE"},
		"two documents": {"user: a\n---\nuser: secret",
			"css.yaml:2: a second document begins here, and a file has one"},
		"merged":  {"<<: {user: secret}", "css.yaml:1: the line does not begin with the name of a setting"},
		"several": {"endpoint: a\nnumber: b\nforce: c", `css.yaml:1: there is no setting "endpoint"; did you mean "endpoints"?` + "\ncss.yaml:2: number: it is no number\ncss.yaml:3: force cannot stand in a file: it is to be meant each time"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			layer, faults := settings.Read("css.yaml", []byte(test.file), known)
			assert.Nil(t, layer)
			var texts []string
			for _, f := range faults {
				texts = append(texts, f.Error())
			}
			assert.Equal(t, test.want, strings.Join(texts, "\n"))
		})
	}
}

// lineEnds are what YAML takes for the end of a line, the longest first.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// FuzzRead: whatever a file holds, there is no panic; what is wrong with it has a line of the file; and what was read
// of it is read again from what is written of it.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"endpoints: [a:1, b]\nprefix: /x\npassword: '***'\n", "a: &b c\nd: *b\n", "? x\n: y\n", "---\n...\n---\n",
		"prefix: |\n  a\n  b\n",
		"user: \"\\x00\\u2028\"", "number: 0o7", "mysql-dsn:\n- ''\n- \"\\t\"", "\ufeffuser: a", "password: !!binary YQ==",
		"%YAML 1.1\n---\nuser: a", "elsewhere: [1, [2]]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		layer, faults := settings.Read("f", data, known)
		for _, fault := range faults {
			assert.GreaterOrEqual(t, fault.Line, 1)
			assert.LessOrEqual(t, fault.Line, strings.Count(lineEnds.Replace(string(data)), "\n")+2)
			assert.NotContains(t, fault.What, "\n")
		}
		var lines []settings.Line
		for name, value := range layer {
			list := known[name].List || known[name].Any && len(value.Texts) > 1
			lines = append(lines, settings.Line{Name: name, Texts: value.Texts, List: list, Note: "a note"})
		}
		var out strings.Builder
		require.NoError(t, settings.Write(&out, lines))
		again, faults := settings.Read("f", []byte(out.String()), known)
		require.Empty(t, faults, out.String())
		assert.Empty(t, settings.Changed(layer, again), out.String())
	})
}

func TestWrite(t *testing.T) {
	var out strings.Builder
	require.NoError(t, settings.Write(&out, []settings.Line{
		{Name: "endpoints", Texts: []string{"a:1", "b: 2"}, List: true, Note: "--endpoints"},
		{Name: "prefix", Texts: []string{"/x"}},
		{Name: "number", Texts: []string{"1h"}, Bare: true, Out: true, Note: "default"},
		{Name: "user", Texts: []string{"true"}},
		{Name: "password", Texts: []string{"two\nlines"}},
		{Name: "mysql-dsn", Texts: []string{"***"}, List: true, Out: true, Note: "secret"},
		{Name: "elsewhere", List: true, Out: true},
	}))
	assert.Equal(t, `endpoints:  # --endpoints
  - a:1
  - 'b: 2'
prefix: /x
# number: 1h  # default
user: "true"
password: "two\nlines"
# mysql-dsn:  # secret
#   - '***'
# elsewhere: []
`, out.String())
}
