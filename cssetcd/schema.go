package cssetcd

import (
	"runtime"
	"sync"
	"weak"
)

// schema is the text of a schema and its columns, parsed when they are first asked for.
type schema struct {
	text    string
	columns memo[[]Column]
}

// schemas has one schema for all tables with the same text, of which hundreds of databases may have one each. A schema
// goes with its last table.
type schemas struct {
	mu     sync.Mutex
	byText map[string]weak.Pointer[schema]
}

func newSchemas() *schemas { return &schemas{byText: map[string]weak.Pointer[schema]{}} }

// of returns the schema of a text, which the caller has to keep.
func (p *schemas) of(text string) *schema {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.byText[text].Value(); known != nil {
		return known
	}
	made := &schema{text: text}
	p.byText[text] = weak.Make(made)
	runtime.AddCleanup(made, p.forget, text)
	return made
}

// forget drops a schema that nobody keeps, unless there is a new one of its text.
func (p *schemas) forget(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byText[text].Value() == nil {
		delete(p.byText, text)
	}
}

func (s *schema) read() ([]Column, error) {
	if kept := s.columns.kept.Load(); kept != nil {
		return kept.value, kept.err
	}
	return s.columns.keep(parseColumns(s.text))
}
