package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mutant is one change of a file: its bytes [from, to) become with.
type mutant struct {
	file     string // as it is to be called
	at       place
	from, to int
	with     string
	name     string // file, function and what became of what: names it also when lines move
}

func (m mutant) apply(src []byte) []byte {
	return slices.Concat(src[:m.from], []byte(m.with), src[m.to:])
}

// mutantsOf returns the mutants of a file, in their order. Not all of them compile.
func mutantsOf(file string, src []byte) ([]mutant, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	m := &maker{file: file, src: src, fset: fset, done: map[ast.Node]bool{}, names: map[string]int{}}
	for _, d := range parsed.Decls {
		m.within = ""
		if f, ok := d.(*ast.FuncDecl); ok {
			m.within = f.Name.Name
			if f.Recv != nil {
				m.within = strings.TrimPrefix(m.text(f.Recv.List[0].Type), "*") + "." + f.Name.Name
			}
		}
		ast.Inspect(d, m.node)
	}
	slices.SortStableFunc(m.all, func(a, b mutant) int { return cmp.Compare(a.from, b.from) })
	return m.all, nil
}

// maker makes the mutants of a file.
type maker struct {
	file, within string
	src          []byte
	fset         *token.FileSet
	done         map[ast.Node]bool // another mutant is as good
	names        map[string]int
	all          []mutant
}

func (m *maker) offset(p token.Pos) int { return m.fset.Position(p).Offset }

func (m *maker) text(n ast.Node) string { return string(m.src[m.offset(n.Pos()):m.offset(n.End())]) }

func (m *maker) add(from, to token.Pos, with, what string) {
	name := strings.Join(strings.Fields(fmt.Sprintf("%s %s: %s", m.file, m.within, what)), " ")
	m.names[name]++
	if n := m.names[name]; n > 1 {
		name += fmt.Sprintf(" (%d)", n)
	}
	p := m.fset.Position(from)
	m.all = append(m.all, mutant{m.file, place{p.Line, p.Column}, p.Offset, m.offset(to), with, name})
}

func (m *maker) replace(n ast.Node, with string) {
	m.add(n.Pos(), n.End(), with, short(m.text(n))+" -> "+with)
}

// short fits a text on a line.
func short(text string) string {
	const most = 80
	if text = strings.Join(strings.Fields(text), " "); len(text) > most {
		text = text[:most-3] + "..."
	}
	return text
}

// node makes the mutants of a node. It returns false for what is left alone.
func (m *maker) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		m.both(n.Cond)
		if len(n.Body.List) == 1 && n.Else == nil {
			m.done[n.Body.List[0]] = true // to leave it out is to take the condition for false
		}
	case *ast.ForStmt:
		m.taken(n.Cond, false)
	case *ast.SwitchStmt:
		for _, c := range n.Body.List {
			for _, e := range c.(*ast.CaseClause).List {
				if n.Tag == nil {
					m.both(e)
				}
			}
		}
	case *ast.BlockStmt:
		m.statements(n.List)
	case *ast.CaseClause:
		m.statements(n.Body)
	case *ast.CommClause:
		m.statements(n.Body)
	case *ast.ReturnStmt:
		m.result(n)
	case *ast.CallExpr:
		return m.call(n)
	case *ast.CompositeLit:
		m.elements(n.Elts, n.Rbrace)
	case *ast.BinaryExpr:
		m.binary(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT && !m.done[n] {
			m.add(n.Pos(), n.X.Pos(), "", m.text(n)+" -> "+m.text(n.X))
		}
	case *ast.Ident:
		if other := map[string]string{"true": "false", "false": "true"}[n.Name]; other != "" {
			m.replace(n, other)
		}
	case *ast.BasicLit:
		if i, err := strconv.ParseInt(n.Value, 0, 64); err == nil && !m.done[n] {
			m.replace(n, strconv.FormatInt(i+1, 10))
		}
	}
	return true
}

// both takes a condition for true and for false.
func (m *maker) both(cond ast.Expr) {
	m.taken(cond, true)
	m.taken(cond, false)
}

// taken takes a condition for true or false. It stays as what is never asked, so that what it uses stays in use.
func (m *maker) taken(cond ast.Expr, as bool) {
	if cond == nil {
		return
	}
	m.done[cond] = true
	op := "false && "
	if as {
		op = "true || "
	}
	if b, ok := cond.(*ast.BinaryExpr); ok && (as && b.Op == token.LAND || !as && b.Op == token.LOR) {
		return // its terms are taken so
	}
	m.add(cond.Pos(), cond.End(), "("+op+"("+m.text(cond)+"))", fmt.Sprintf("%s is %t", short(m.text(cond)), as))
}

// statements leaves out one after the other.
func (m *maker) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok && m.words(call) {
				continue
			}
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		case *ast.IncDecStmt, *ast.DeferStmt, *ast.ReturnStmt, *ast.BranchStmt:
		default:
			continue
		}
		if !m.done[s] { // it stays as what is never done, so that what it uses stays in use
			m.add(s.Pos(), s.End(), "if false { "+m.text(s)+" }", "without "+short(m.text(s)))
		}
	}
}

var anError = regexp.MustCompile(`^([eE]rr|fmt\.Errorf|errors\.|\w+Error\()`)

// result forgets the error that is returned.
func (m *maker) result(n *ast.ReturnStmt) {
	if len(n.Results) == 0 {
		return
	}
	if last := n.Results[len(n.Results)-1]; anError.MatchString(m.text(last)) {
		m.replace(last, "nil")
	}
}

var aLogger = regexp.MustCompile(`(^|\.)[lL]og(ger)?\.`)

// words reports whether a call is of words for people, on which nothing depends, or of a panic.
func (m *maker) words(call *ast.CallExpr) bool {
	f := m.text(call.Fun)
	return f == "panic" || strings.HasPrefix(f, "fmt.") || aLogger.MatchString(f)
}

func (m *maker) call(n *ast.CallExpr) bool {
	if m.words(n) {
		return false
	}
	switch m.text(n.Fun) {
	case "min":
		m.replace(n.Fun, "max")
	case "max":
		m.replace(n.Fun, "min")
	case "make": // a capacity is no more than that
	default:
		m.elements(n.Args, n.Rparen)
	}
	return true
}

// elements leaves out one element of a list after the other: a field, an option, a guard.
func (m *maker) elements(list []ast.Expr, end token.Pos) {
	for i, e := range list {
		to := end
		if i+1 < len(list) {
			to = list[i+1].Pos()
		}
		m.add(e.Pos(), to, "", "without "+short(m.text(e)))
	}
}

var otherOps = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR, token.EQL: token.NEQ,
	token.NEQ: token.EQL,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL,
	token.AND: token.OR, token.OR: token.AND, token.AND_NOT: token.OR, token.SHL: token.SHR, token.SHR: token.SHL,
}

func (m *maker) binary(n *ast.BinaryExpr) {
	switch n.Op {
	case token.LAND, token.LOR: // each term is taken for what lets the other decide; that covers the other operator, too
		m.taken(n.X, n.Op == token.LAND)
		m.taken(n.Y, n.Op == token.LAND)
		return
	case token.LSS, token.LEQ, token.GTR, token.GEQ: // the boundary moves already
		m.done[n.X], m.done[n.Y] = true, true
	case token.EQL, token.NEQ:
		if m.done[n] {
			return
		}
	}
	if op, ok := otherOps[n.Op]; ok {
		what := fmt.Sprintf("%s -> %s %s %s", short(m.text(n)), short(m.text(n.X)), op, short(m.text(n.Y)))
		m.add(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), op.String(), what)
	}
}
