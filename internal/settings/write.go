package settings

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Line is a setting as a file says it.
type Line struct {
	Name  string
	Texts []string
	List  bool
	Bare  bool   // true, false, numbers and durations: what needs no quotes though YAML does not take it for a text
	Out   bool   // as a comment, which a reader of the file does not see
	Note  string // a comment at the end of its first line
}

// Write writes lines so that [Read] reads those of them that are not out.
func Write(w io.Writer, lines []Line) error {
	for _, line := range lines {
		text, err := line.text()
		if err != nil {
			return err
		}
		first, rest, _ := strings.Cut(text, "\n")
		if line.Note != "" {
			first += "  # " + line.Note
		}
		text = strings.TrimSuffix(first+"\n"+rest, "\n")
		if line.Out {
			text = "# " + strings.ReplaceAll(text, "\n", "\n# ")
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

func (l Line) text() (string, error) {
	value := &yaml.Node{Kind: yaml.SequenceNode}
	for _, text := range l.Texts {
		value.Content = append(value.Content, l.scalar(text))
	}
	switch {
	case l.List && len(l.Texts) == 0:
		value.Style = yaml.FlowStyle
	case !l.List && len(l.Texts) == 1:
		value = value.Content[0]
	}
	key := &yaml.Node{Kind: yaml.ScalarNode, Value: l.Name}
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	err := encoder.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key, value}})
	if err != nil {
		return "", fmt.Errorf("write %s: %w", l.Name, err)
	}
	return out.String(), nil
}

func (l Line) scalar(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ToValidUTF8(text, string(utf8.RuneError))}
	switch {
	case l.Bare:
		node.Tag = ""
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == utf8.RuneError }), text == "":
		node.Style = yaml.DoubleQuotedStyle // in one line
	}
	return node
}
