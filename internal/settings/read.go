package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Known is what a file may say of a setting.
type Known struct {
	List  bool
	Any   bool                    // of another program: a text, or a list of texts
	Check func(text string) error // nil: any text will do
	// Never says why the setting cannot stand in a file; "": it can.
	Never string
}

// Fault is what is wrong with a line of a file.
type Fault struct {
	File string
	Line int
	What string
}

func (f Fault) Error() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.What) }

// Read reads a configuration file: settings by their names, as YAML. It returns all that is wrong. No fault shows more
// of what stands in the file than names, and values that are checked: a text may be a password.
func Read(file string, data []byte, known map[string]Known) (Layer, []Fault) {
	r := reader{file: file, known: known, layer: Layer{}, lines: map[string]int{}}
	r.read(data)
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return r.layer, nil
}

type reader struct {
	file   string
	known  map[string]Known
	layer  Layer
	lines  map[string]int // where a setting was said already
	faults []Fault
}

func (r *reader) fault(line int, format string, args ...any) {
	r.faults = append(r.faults, Fault{r.file, max(line, 1), fmt.Sprintf(format, args...)})
}

func (r *reader) read(data []byte) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, more yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		return // nothing, or comments alone
	case err != nil:
		r.syntax(err, data)
		return
	}
	switch err := decoder.Decode(&more); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(err, data)
	default:
		r.fault(more.Line, "a second document begins here, and a file has one")
	}
	switch top := root.Content[0]; {
	case top.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(top.Content); i += 2 {
			r.setting(top.Content[i], top.Content[i+1])
		}
	case !isNull(top):
		r.fault(top.Line, "the file has to be lines of the form NAME: VALUE")
	}
}

var (
	lineOfFault = regexp.MustCompile(`^line (\d+): `)
	noAnchor    = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntax tells of what is not YAML. The parser's text has the line, and of the file it shows the names of
// anchors only, which may be what a password begins with.
func (r *reader) syntax(err error, data []byte) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := lineOfFault.FindStringSubmatch(text); m != nil {
		_, _ = fmt.Sscan(m[1], &line)
		text = strings.TrimPrefix(text, m[0])
	}
	if m := noAnchor.FindStringSubmatch(text); m != nil { // of which the parser does not say where it is
		before, _, _ := bytes.Cut(data, []byte("*"+m[1]))
		r.fault(bytes.Count(before, []byte("\n"))+1, "a text that begins with * has to stand between quotes")
		return
	}
	r.fault(line, "this is not YAML: %s; a text with special characters has to stand between quotes", text)
}

// looksLikeName is what can be shown of a key: anything else may be a secret that lost its place.
var looksLikeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,40}$`)

func (r *reader) setting(key, value *yaml.Node) {
	name := key.Value
	if key.Kind != yaml.ScalarNode || !looksLikeName.MatchString(name) {
		r.fault(key.Line, "the line does not begin with the name of a setting")
		return
	}
	known, ok := r.known[name]
	first, again := r.lines[name]
	switch {
	case !ok:
		r.fault(key.Line, "there is no setting %q%s", name, didYouMean(name, r.known))
		return
	case known.Never != "":
		r.fault(key.Line, "%s cannot stand in a file: %s", name, known.Never)
		return
	case again:
		r.fault(key.Line, "%s is set in line %d already", name, first)
		return
	}
	r.lines[name] = key.Line
	if texts, ok := r.texts(name, known, value); ok {
		r.layer[name] = Value{Texts: texts, Level: File, From: fmt.Sprintf("%s:%d", r.file, key.Line)}
	}
}

// texts returns what a node says of a setting. Texts are taken as they are written: 010 stays 010.
func (r *reader) texts(name string, known Known, value *yaml.Node) (texts []string, ok bool) {
	faults := len(r.faults)
	switch {
	case isNull(value):
		r.fault(value.Line, "%s has no value; leave the line out, or write \"\" for an empty one", name)
	case !known.List && (!known.Any || value.Kind != yaml.SequenceNode):
		texts = []string{r.text(name, known, value)}
	case value.Kind != yaml.SequenceNode:
		r.fault(value.Line, "%s is a list: write [ONE, ANOTHER], or each in a line of its own that begins with -", name)
	case len(value.Content) == 0:
		r.fault(value.Line, "%s is an empty list; leave the line out", name)
	default:
		for _, element := range value.Content {
			texts = append(texts, r.text(name, known, element))
		}
	}
	return texts, len(r.faults) == faults
}

func (r *reader) text(name string, known Known, node *yaml.Node) string {
	switch {
	case node.Kind == yaml.AliasNode, node.Anchor != "":
		r.fault(node.Line, "%s: a text that begins with * or & has to stand between quotes", name)
	case node.Kind != yaml.ScalarNode && known.List:
		r.fault(node.Line, "%s is a list of texts, and this is more than a text", name)
	case node.Kind != yaml.ScalarNode:
		r.fault(node.Line, "%s is one value, and no list", name)
	case isNull(node):
		r.fault(node.Line, "%s has an element without a value", name)
	case !plainTags[node.ShortTag()]:
		r.fault(node.Line, "%s: a text that begins with ! has to stand between quotes", name)
	case known.Check != nil:
		if err := known.Check(node.Value); err != nil {
			r.fault(node.Line, "%s: %v", name, err)
		}
	}
	return node.Value
}

// plainTags are those that YAML gives by itself to texts.
var plainTags = map[string]bool{"!!str": true, "!!int": true, "!!float": true, "!!bool": true, "!!timestamp": true}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }
