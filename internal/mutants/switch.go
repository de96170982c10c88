package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// Building a test binary takes longer than most tests. So all mutants in functions go into one: each is a copy of its
// function, and the function hands over to the copy whose number is in the environment.

// active is the variable with the number of the mutant that is tried, in the environment.
const active = "MUTANT"

// switched returns a file in which each of the mutants can be switched on by its number, and those that stand in no
// function.
func (s *source) switched(file string, all map[int]mutant) (text string, rest []int) {
	src, parsed := s.files[file], s.parsed[file]
	at := func(p token.Pos) int { return s.fset.Position(p).Offset }
	var copies, out strings.Builder
	in, done := map[int]bool{}, 0
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil || f.Name.Name == "init" && f.Recv == nil {
			continue
		}
		h := header{src: src, at: at, f: f}
		var cases strings.Builder
		for n, m := range all {
			if m.from < at(f.Body.Lbrace) || m.to > at(f.Body.Rbrace) {
				continue
			}
			in[n] = true
			body := string(src[at(f.Body.Lbrace):m.from]) + m.with + string(src[m.to:at(f.Body.End())])
			fmt.Fprintf(&copies, "\n%s %s\n", h.signature(fmt.Sprintf("%s_mutant%d", f.Name.Name, n)), body)
			fmt.Fprintf(&cases, "case %d: %s;", n, h.call(fmt.Sprintf("%s_mutant%d", f.Name.Name, n)))
		}
		if cases.Len() == 0 {
			continue
		}
		out.Write(src[done:at(f.Pos())])
		fmt.Fprintf(&out, "%s { if mutantActive != 0 { switch mutantActive { %s } }\n", h.signature(f.Name.Name),
			cases.String())
		done = at(f.Body.Lbrace) + 1
	}
	out.Write(src[done:])
	for n := range all {
		if !in[n] {
			rest = append(rest, n)
		}
	}
	return out.String() + copies.String(), rest
}

// header writes the declaration of a function, with names for all that it takes, and calls of it.
type header struct {
	src []byte
	at  func(token.Pos) int
	f   *ast.FuncDecl
}

func (h header) text(n ast.Node) string { return string(h.src[h.at(n.Pos()):h.at(n.End())]) }

func (h header) signature(name string) string {
	receiver, generic, results := "", "", ""
	if h.f.Recv != nil {
		receiver = "(" + h.receiver() + " " + h.text(h.f.Recv.List[0].Type) + ") "
	}
	if h.f.Type.TypeParams != nil {
		generic = h.text(h.f.Type.TypeParams)
	}
	if h.f.Type.Results != nil {
		results = h.text(h.f.Type.Results)
	}
	var params []string
	h.params(func(name string, t ast.Expr) { params = append(params, name+" "+h.text(t)) })
	return "func " + receiver + name + generic + "(" + strings.Join(params, ", ") + ") " + results
}

func (h header) call(name string) string {
	if h.f.Recv != nil {
		name = h.receiver() + "." + name
	}
	var types, args []string
	if h.f.Type.TypeParams != nil {
		for _, field := range h.f.Type.TypeParams.List {
			for _, n := range field.Names {
				types = append(types, n.Name)
			}
		}
		name += "[" + strings.Join(types, ", ") + "]"
	}
	h.params(func(name string, t ast.Expr) {
		if _, variadic := t.(*ast.Ellipsis); variadic {
			name += "..."
		}
		args = append(args, name)
	})
	call := name + "(" + strings.Join(args, ", ") + ")"
	if h.f.Type.Results == nil {
		return call + "; return"
	}
	return "return " + call
}

func (h header) receiver() string {
	if names := h.f.Recv.List[0].Names; len(names) > 0 && names[0].Name != "_" {
		return names[0].Name
	}
	return "mutantReceiver"
}

func (h header) params(each func(name string, t ast.Expr)) {
	i := 0
	for _, field := range h.f.Type.Params.List {
		names := []string{"_"}
		if len(field.Names) > 0 {
			names = names[:0]
			for _, n := range field.Names {
				names = append(names, n.Name)
			}
		}
		for _, name := range names {
			if i++; name == "_" {
				name = fmt.Sprintf("mutantParam%d", i)
			}
			each(name, field.Type)
		}
	}
}

// activated is the file that reads which mutant is tried.
func activated(pkg string) string {
	return fmt.Sprintf("package %s\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar mutantActive, _ = "+
		"strconv.Atoi(os.Getenv(%q))\n", pkg, active)
}
