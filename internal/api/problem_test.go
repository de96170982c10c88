package api_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/api"
)

// sentinels returns the errors that a package has of its own, by name: those that are another package's are there.
func sentinels(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.VAR {
				continue
			}
			for _, spec := range decl.Specs {
				v := spec.(*ast.ValueSpec)
				for i, id := range v.Names {
					if strings.HasPrefix(id.Name, "Err") && !(len(v.Values) > i && isOf(v.Values[i], "cssetcd")) {
						names = append(names, filepath.Base(dir)+"."+id.Name)
					}
				}
			}
		}
	}
	return names
}

func isOf(e ast.Expr, pkg string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	id, ok := s.X.(*ast.Ident)
	return ok && id.Name == pkg
}

// TestEachErrorHasACode: a program can tell apart whatever the packages tell apart.
func TestEachErrorHasACode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("problem.go")
	require.NoError(t, err)
	for _, dir := range []string{"../../cssetcd", "../../deletion"} {
		all := sentinels(t, dir)
		require.Greater(t, len(all), 10, dir)
		for _, name := range all {
			assert.Regexp(t, `\{`+regexp.QuoteMeta(name)+`, "`, string(text), "it has no code")
		}
	}
	for code, err := range api.KnownErrors() {
		_, got := api.StatusOf(fmt.Errorf("wrapped: %w", err))
		assert.Equal(t, code, got, "a parent stands before its kind")
	}
}

func TestStatusOfErrors(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"404 no_such_table":     &cssetcd.Error{Op: "x", Err: errors.Join(cssetcd.ErrNoSuchTable, cssetcd.ErrNoSuchDB)},
		"409 czars_registered":  cssetcd.ErrCzarsRegistered,
		"412 status_mismatch":   cssetcd.ErrStatusMismatch,
		"400 bad_value":         &cssetcd.ValueError{Key: "/a", Reason: "b"},
		"501 catalogue_version": &cssetcd.VersionError{Want: "1", Got: "2"},
		"507 etcd_full":         cssetcd.ErrNoSpace,
		"409 drop_pending":      deletion.ErrDropPending,
		"404 no_such_drop":      &deletion.Error{Op: "x", Err: deletion.ErrNoDrop},
		"504 timeout":           fmt.Errorf("x: %w", context.DeadlineExceeded),
		"504 outcome_unknown":   errors.Join(cssetcd.ErrOutcomeUnknown, context.DeadlineExceeded),
		"503 stale":             fmt.Errorf("%w: %w", cssetcd.ErrStale, cssetcd.ErrOutcomeUnknown),
		"500 internal":          errors.New("x"),
	} {
		status, code := api.StatusOf(err)
		assert.Equal(t, want, fmt.Sprintf("%d %s", status, code))
	}
}
