package main

import (
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// changed returns what the mutants of a function's body are, as their names tell.
func changed(t *testing.T, body string) (names []string) {
	t.Helper()
	all, err := mutantsOf("p/f.go",
		[]byte("package p\n\nfunc (x *T) f(a, b int, c, d bool) (int, error) {\n"+body+"\n}\n"))
	require.NoError(t, err)
	for _, m := range all {
		name, ok := strings.CutPrefix(m.name, "p/f.go T.f: ")
		require.True(t, ok, m.name)
		names = append(names, name)
	}
	return names
}

// TestRules: what each piece of code becomes.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       []string
	}{
		{"a condition", "if c { x.n = 1 }", []string{"c is true", "c is false", "1 -> 2"}},
		{"a comparison moves", "if a < b {}", []string{"a < b is true", "a < b is false", "a < b -> a <= b"}},
		{"a number that is compared is moved with it", "d = a >= 2", []string{"without d = a >= 2", "a >= 2 -> a > 2"}},
		{"equal as a condition", "if a == b {}", []string{"a == b is true", "a == b is false"}},
		{"equal as a value", "d = a == b", []string{"without d = a == b", "a == b -> a != b"}},
		{"each of two conditions", "if c && d {}", []string{"c && d is false", "c is true", "d is true"}},
		{"either of two conditions", "if c || d {}", []string{"c || d is true", "c is false", "d is false"}},
		{"not", "d = !c", []string{"without d = !c", "!c -> c"}},
		{"cases", "switch { case c: x.g() }", []string{"c is true", "c is false", "without x.g()"}},
		{"cases of a value", "switch a { case b: x.g() }", []string{"without x.g()"}},
		{"a loop", "for a < b { a++ }", []string{"a < b is false", "a < b -> a <= b", "without a++"}},
		{"calls", "x.g(); defer x.h()", []string{"without x.g()", "without defer x.h()"}},
		{"what is new stays", "e := x.g(); e.h()", []string{"without e.h()"}},
		{"an error", "return 0, errOther", []string{"without return 0, errOther", "0 -> 1", "errOther -> nil"}},
		{"an error of a call", "return b, fmt.Errorf(\"%w\", err)",
			[]string{"without return b, fmt.Errorf(\"%w\", err)", "fmt.Errorf(\"%w\", err) -> nil"}},
		{"constants", "c = true", []string{"without c = true", "true -> false"}},
		{"arithmetic", "a = a + b", []string{"without a = a + b", "a + b -> a - b"}},
		{"bits", "a = a &^ b", []string{"without a = a &^ b", "a &^ b -> a | b"}},
		{"the greater", "a = max(a, b)", []string{"without a = max(a, b)", "max -> min"}},
		{"fields and elements", "x.l = []T{{n: a}, y}",
			[]string{"without x.l = []T{{n: a}, y}", "without {n: a}", "without n: a", "without y"}},
		{"arguments", "x.g(a, b)", []string{"without x.g(a, b)", "without a", "without b"}},
		{"the same twice", "x.g(); x.g()", []string{"without x.g()", "without x.g() (2)"}},
		{"words for people", "x.log.Debug(\"that\", \"n\", a+1); x.Log.Warn(\"n\", a+1); l := x.Logger.With(a+1); " +
			"log.Info(a+1); panic(a+1)", nil},
		{"a communication", "select { case <-x.ch: x.g() }", []string{"without x.g()"}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, changed(t, c.body)) })
	}
}

// TestApply: what is left out stays as what is never done, and what a condition is taken for stays beside it.
func TestApply(t *testing.T) {
	src := []byte("package p\n\nfunc f(a, b int) {\n\tif a == b || a == 7 {\n\t\tg(a, b)\n\t\th()\n\t}\n}\n")
	all, err := mutantsOf("p/f.go", src)
	require.NoError(t, err)
	applied := map[string]string{}
	for _, m := range all {
		applied[strings.TrimPrefix(m.name, "p/f.go f: ")] = strings.Split(string(m.apply(src)), "\n")[m.at.line-1]
	}
	for name, want := range map[string]string{
		"a == b || a == 7 is true": "\tif (true || (a == b || a == 7)) {",
		"a == b is false":          "\tif (false && (a == b)) || a == 7 {",
		"without g(a, b)":          "\t\tif false { g(a, b) }",
		"without a":                "\t\tg(b)",
		"without b":                "\t\tg(a, )",
		"7 -> 8":                   "\tif a == b || a == 8 {",
	} {
		assert.Equal(t, want, applied[name], name)
	}
}

// TestCompiles: what does not compile is no mutant.
func TestCompiles(t *testing.T) {
	t.Chdir("../..")
	s, err := load(t.Context(), "go", "internal/freeport")
	require.NoError(t, err)
	wanted := options{files: regexp.MustCompile(""), every: 1}
	all, err := s.mutants(wanted)
	require.NoError(t, err)
	const function = "internal/freeport/freeport.go Pick: "
	var names []string
	for _, m := range all {
		names = append(names, strings.TrimPrefix(m.name, function))
	}
	assert.Contains(t, names, "without handedOut.ports[port] = true")
	assert.Contains(t, names, "without defer handedOut.Unlock()")
	assert.NotContains(t, names, "without highest-lowest", "an argument that is needed")
	assert.NotContains(t, names, "without return 0, fmt.Errorf(\"%w in %d tries between %d and %d: %w\", ErrNone, t...",
		"a result that is needed")

	wanted.only = "`" + all[3].name + "`"
	one, err := s.mutants(wanted)
	require.NoError(t, err)
	assert.Equal(t, all[3:4], one)
}

// TestFittingTests: the quick ones first, and only those that run the place; all of them for what is in no statement.
func TestFittingTests(t *testing.T) {
	in, other := block{"p/f.go", place{3, 1}, place{5, 2}}, block{"p/f.go", place{7, 1}, place{9, 2}}
	b := &binary{pkg: "p"}
	slow, quick := test{binary: b, name: "slow", ran: []block{in, other}, took: 1e10},
		test{binary: b, name: "quick", ran: []block{in}}
	s := &trial{blocks: map[block]bool{in: true, other: true}, tests: []test{slow, quick}}
	names := func(m mutant) (all [][]string) {
		for _, batch := range batches(s.fitting(m)) {
			var one []string
			for _, t := range batch {
				one = append(one, t.name)
			}
			all = append(all, one)
		}
		return all
	}
	assert.Equal(t, [][]string{{"quick"}, {"slow"}}, names(mutant{file: "p/f.go", at: place{3, 1}}))
	assert.Equal(t, [][]string{{"slow"}}, names(mutant{file: "p/f.go", at: place{9, 1}}))
	assert.Empty(t, s.fitting(mutant{file: "q/f.go", at: place{9, 1}})[2:], "in no statement")
	assert.Equal(t, [][]string{{"quick"}, {"slow"}}, names(mutant{file: "p/f.go", at: place{5, 2}}), "in no statement")
}

// TestSwitched: each function hands over to the copy whose number is asked for; what stands in no function is for a
// build of its own.
func TestSwitched(t *testing.T) {
	src := "package p\n\nconst c = 1\n\nfunc (*T) f(_ int, b ...string) (n int) { return 1 }\n\nfunc g[K any](k K) { " +
		"h() }\n\nfunc h() {}\n"
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, "p/f.go", src, parser.SkipObjectResolution)
	require.NoError(t, err)
	s := &source{files: map[string][]byte{"p/f.go": []byte(src)}, fset: fset,
		parsed: map[string]*ast.File{"p/f.go": parsed}}
	all, err := mutantsOf("p/f.go", []byte(src))
	require.NoError(t, err)
	here := map[int]mutant{}
	for i, m := range all {
		switch strings.TrimPrefix(m.name, "p/f.go ") {
		case ": 1 -> 2":
			here[i+1] = m
		case "T.f: 1 -> 2":
			here[8] = m
		case "g: without h()":
			here[9] = m
		}
	}
	require.Len(t, here, 3)
	text, rest := s.switched("p/f.go", here)
	assert.Len(t, rest, 1)
	formatted, err := format.Source([]byte(text))
	require.NoError(t, err)
	assert.Equal(t, `package p

const c = 1

func (mutantReceiver *T) f(mutantParam1 int, b ...string) (n int) {
	if mutantActive != 0 {
		switch mutantActive {
		case 8:
			return mutantReceiver.f_mutant8(mutantParam1, b...)
		}
	}
	return 1
}

func g[K any](k K) {
	if mutantActive != 0 {
		switch mutantActive {
		case 9:
			g_mutant9[K](k)
			return
		}
	}
	h()
}

func h() {}

func (mutantReceiver *T) f_mutant8(mutantParam1 int, b ...string) (n int) { return 2 }

func g_mutant9[K any](k K) {
	if false {
		h()
	}
}
`, string(formatted))
}
