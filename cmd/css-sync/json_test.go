package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/diff"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/internal/status"
)

// jsonForms are what commands print with -w json, each a value for each form that it may have. Those that write alone
// print a form.Result.
var jsonForms = map[string][]any{
	"check":            {report.Comparison{}, report.Repair{}, []string{}},
	"chunk empty list": {[]form.EmptyChunks{}}, "chunk empty show": {form.EmptyChunks{}},
	"chunk list": {[]form.Chunk{}}, "chunk show": {form.Chunk{}},
	"config print":    {[]settingView{}},
	"conflicts apply": {[]applied{}}, "conflicts drop": {conflictsDropped{}}, "conflicts list": {report.Conflicts{}},
	"conflicts show": {report.Conflict{}},
	"db create":      {form.Result{}, publishedView{}}, "db drop": {dropResult{}}, "db families": {[]form.Family{}},
	"db list": {[]form.Database{}}, "db show": {form.Database{}}, "del": {deleted{}}, "diff": {diff.Result{}},
	"drops abandon": {doneView{}}, "drops cancel": {doneView{}}, "drops retry": {doneView{}}, "drops evict": {doneView{}},
	"drops clean": {[]markerView{}}, "drops czars": {[]form.Czar{}}, "drops list": {[]form.Drop{}},
	"drops show": {form.Drop{}}, "drops wait": {endedView{}}, "drops settings show": {deletion.Timing{}},
	"export mysql": {exportView{}}, "get": {form.Key{}}, "grants": {[]string{}}, "import mysql": {importView{}},
	"inventory list": {[]form.Worker{}}, "inventory missing": {[]form.Gap{}},
	"inventory show": {form.Worker{}, form.ServedSet{}},
	"log":            {[]form.Logged{}}, "ls": {[]form.Key{}},
	"mirror":    {report.Result{}, report.Sides{}, report.SidesChanged{}},
	"node list": {[]form.Node{}}, "node show": {form.Node{}}, "restore": {restoredView{}},
	"roles": {[]roleView{}, []roleChangeView{}}, "status": {status.Status{}}, "table drop": {dropResult{}},
	"table list": {[]form.Table{}}, "table show": {form.TableDetails{}, form.Table{}}, "version": {versionView{}},
	"watch": {form.Change{}},
}

// withoutForm do not print what is read as JSON: a dump is one by itself.
var withoutForm = []string{"agent", "completion", "dump", "help", "inventory publish", "inventory serve-shm", "serve"}

// formsOf returns the forms of a command, which is named without the program.
func formsOf(command string) []any {
	if forms := jsonForms[command]; forms != nil {
		return forms
	}
	return []any{form.Result{}}
}

// nameOf names a command without the program.
func nameOf(cmd *cobra.Command) string {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	return name
}

// keepsItsForm checks that a command line that printed JSON printed what docs/CLI_JSON.md says, and nothing else.
func keepsItsForm(t *testing.T, words []string, env map[string]string, r clitest.Result) {
	as := env["CSS_SYNC_WRITE_OUT"]
	for i, w := range words {
		if i > 0 && (words[i-1] == "-w" || words[i-1] == "--write-out") {
			as = w
		}
	}
	found, _, err := rootCommand().Find(words)
	if as != "json" || err != nil || r.Stdout == "" || slices.Contains(words, "--help") ||
		!slices.Contains([]int{cli.ExitOK, cli.ExitTrouble, cli.ExitDifferences}, r.Code) {
		return
	}
	name := nameOf(found)
	if slices.ContainsFunc(withoutForm, func(w string) bool { return w == name || strings.HasPrefix(name, w+" ") }) {
		return
	}
	var faults []error
	for _, f := range formsOf(name) {
		d := json.NewDecoder(strings.NewReader(r.Stdout))
		d.DisallowUnknownFields()
		v := reflect.New(reflect.TypeOf(f))
		err := d.Decode(v.Interface())
		if err == nil && name != "watch" && !written(t, v.Elem().Interface(), r.Stdout) {
			err = fmt.Errorf("a %T is not written so", f)
		}
		if err == nil {
			return
		}
		faults = append(faults, err)
	}
	assert.Fail(t, "it prints what docs/CLI_JSON.md does not say", "%v: %v\n%s", words, faults, r.Stdout)
}

// written reports whether a value is written as a text: what a form has that the text lacks would not be seen
// otherwise.
func written(t *testing.T, v any, text string) bool {
	var b bytes.Buffer
	require.NoError(t, cli.WriteJSON(&b, v, "  "))
	return b.String() == text
}

func rootCommand() *cobra.Command { return newProgram(nil, nil, nil, nil).RootCommand() }

// TestJSONDocument: docs/CLI_JSON.md says of each command what it prints with -w json; -update writes it anew.
func TestJSONDocument(t *testing.T) {
	known := map[string]bool{}
	var d jsonDocument
	d.begin()
	for _, cmd := range leaves(rootCommand()) {
		name := nameOf(cmd)
		known[name] = true
		if !slices.ContainsFunc(withoutForm, func(w string) bool { return w == name || strings.HasPrefix(name, w+" ") }) {
			d.command(name, formsOf(name))
		}
	}
	for name := range jsonForms {
		assert.True(t, known[name], "no command is called %q", name)
	}
	d.types(t)
	for _, title := range regexp.MustCompile(`(?m)^## .+$`).FindAllString(d.String(), -1) {
		assert.Equal(t, 1, strings.Count(d.String(), title+"\n"), title)
	}
	clitest.Golden(t, filepath.Join("..", "..", "..", "docs", "CLI_JSON.md"), d.String())
}

// leaves are the commands that do something.
func leaves(cmd *cobra.Command) (all []*cobra.Command) {
	if cmd.Runnable() && cmd.HasParent() && !cmd.Hidden && len(cmd.Commands()) == 0 {
		all = append(all, cmd)
	}
	for _, part := range cmd.Commands() {
		all = append(all, leaves(part)...)
	}
	return all
}

// jsonDocument is docs/CLI_JSON.md.
type jsonDocument struct {
	strings.Builder
	todo []reflect.Type // that are named and not described yet
	seen map[reflect.Type]bool
}

func (d *jsonDocument) begin() {
	d.WriteString(`# What css-sync prints with -w json

For scripts. A command prints one JSON document to standard output, of the form below, and messages to standard error;
exit codes are those of [OPERATIONS.md](OPERATIONS.md#every-day). A command that found something
wrong (exit codes 4 and 10) prints its document, too. Fields may be added; what is here keeps its name and its meaning.
A field with a question mark is left out where there is nothing to say. Times are RFC 3339 in UTC, revisions are those
of etcd, and sets of chunks are texts such as ` + "`0-311,313`" + `. ` + "`watch`" + ` prints a document a line.

| command | prints |
|---|---|
`)
	d.seen = map[reflect.Type]bool{}
}

func (d *jsonDocument) command(name string, forms []any) {
	var all []string
	for _, f := range forms {
		all = append(all, d.typeName(reflect.TypeOf(f)))
	}
	fmt.Fprintf(d, "| `%s` | %s |\n", name, strings.Join(all, ", or "))
}

var textMarshaler = reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()

// typeName names a type for people, and notes what is to be described.
func (d *jsonDocument) typeName(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[cssetcd.Revision]():
		return "revision"
	case of.Implements(textMarshaler):
		if of.Name() == "Time" {
			return "time"
		}
		return "text"
	}
	switch of.Kind() {
	case reflect.Pointer:
		return d.typeName(of.Elem()) + " or null"
	case reflect.Slice:
		return "list of " + d.typeName(of.Elem())
	case reflect.Map:
		return "object of " + d.typeName(of.Elem())
	case reflect.Struct:
		if !d.seen[of] {
			d.seen[of] = true
			d.todo = append(d.todo, of)
		}
		return fmt.Sprintf("[%s](#%s)", titleOf(of), strings.ToLower(titleOf(of)))
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Interface:
		return "anything"
	}
	return "number"
}

// titles are of types that have a name in common.
var titles = map[reflect.Type]string{reflect.TypeFor[form.Result](): "Written",
	reflect.TypeFor[report.Result](): "Mirrored", reflect.TypeFor[diff.Result](): "Compared",
	reflect.TypeFor[diff.Difference]():   "KeyDifference",
	reflect.TypeFor[report.Difference](): "RowDifference"}

func titleOf(of reflect.Type) string {
	if title := titles[of]; title != "" {
		return title
	}
	name := strings.TrimSuffix(of.Name(), "View")
	return strings.ToUpper(name[:1]) + name[1:]
}

// types describes the types that were named, and those that these name.
func (d *jsonDocument) types(t *testing.T) {
	for len(d.todo) > 0 {
		of := d.todo[0]
		d.todo = d.todo[1:]
		fmt.Fprintf(d, "\n## %s\n\n| field | is | |\n|---|---|---|\n", titleOf(of))
		d.fields(t, of)
	}
}

func (d *jsonDocument) fields(t *testing.T, of reflect.Type) {
	said := commentsOf(t, of)
	if of == reflect.TypeFor[deletion.Timing]() { // it writes itself
		for _, name := range []string{"confirm", "fence", "wait", "alive", "delay"} {
			fmt.Fprintf(d, "| `%s` | text | such as 1m15s |\n", name)
		}
		return
	}
	for f := range of.Fields() {
		tag, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "":
			d.fields(t, f.Type)
			continue
		case !f.IsExported() || tag == "-":
			continue
		case tag == "":
			tag = f.Name
		}
		if strings.Contains(rest, "omit") {
			tag += "?"
		}
		fmt.Fprintf(d, "| `%s` | %s | %s |\n", tag, d.typeName(f.Type), strings.ReplaceAll(said[f.Name], "|", `\|`))
	}
}

// commentsOf returns what the source says of the fields of a type.
func commentsOf(t *testing.T, of reflect.Type) map[string]string {
	const module = "github.com/qserv/css-etcd/"
	dir := "." // of this package, which is main
	if path, ok := strings.CutPrefix(of.PkgPath(), module); ok && !strings.HasPrefix(path, "cmd/") {
		dir = filepath.Join("..", "..", path)
	}
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if s, is := typeOf(spec, ok); is && spec.Name.Name == of.Name() {
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						all[name.Name] = strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
					}
				}
			}
			return true
		})
	}
	return all
}

func typeOf(spec *ast.TypeSpec, ok bool) (*ast.StructType, bool) {
	if !ok {
		return nil, false
	}
	s, is := spec.Type.(*ast.StructType)
	return s, is
}
