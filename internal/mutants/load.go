package main

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// source is the package that is changed.
type source struct {
	path   string
	files  map[string][]byte // by their path below the module
	fset   *token.FileSet
	parsed map[string]*ast.File
	known  types.Importer
}

// load reads a package, and what it imports in compiled form.
func load(ctx context.Context, goTool, pkg string) (*source, error) {
	s := &source{path: module + pkg, files: map[string][]byte{}, fset: token.NewFileSet(), parsed: map[string]*ast.File{}}
	list := exec.CommandContext(ctx, goTool, "list", "-export", "-deps", "-json=ImportPath,Export,GoFiles", "./"+pkg)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pkg, err)
	}
	exports := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			ImportPath, Export string
			GoFiles            []string
		}
		if err := d.Decode(&p); err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if p.ImportPath != s.path {
			continue
		}
		for _, name := range p.GoFiles {
			file := pkg + "/" + name
			if s.files[file], err = os.ReadFile(file); err != nil {
				return nil, err
			}
			if s.parsed[file], err = parser.ParseFile(s.fset, file, s.files[file], parser.SkipObjectResolution); err != nil {
				return nil, err
			}
		}
	}
	s.known = importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return s, nil
}

// mutants returns those mutants of the package that compile and are wanted.
func (s *source) mutants(o options) (wanted []mutant, err error) {
	random := mathrand.New(mathrand.NewPCG(o.seed, 0))
	for _, file := range slices.Sorted(maps.Keys(s.files)) {
		all, err := mutantsOf(file, s.files[file])
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			if o.files.MatchString(file) && random.IntN(o.every) == 0 && (o.only == "" || named(o.only, m)) && s.compiles(m) {
				wanted = append(wanted, m)
			}
		}
	}
	return wanted, nil
}

// compiles reports whether the package still does with a mutant.
func (s *source) compiles(m mutant) bool {
	var all []*ast.File
	for file, parsed := range s.parsed {
		if file == m.file {
			changed, err := parser.ParseFile(s.fset, file, m.apply(s.files[file]), parser.SkipObjectResolution)
			if err != nil {
				return false
			}
			parsed = changed
		}
		all = append(all, parsed)
	}
	check := types.Config{Importer: s.known, Error: func(error) {}}
	_, err := check.Check(s.path, s.fset, all, nil)
	return err == nil
}

// overlay writes what the go command needs to build with a mutant, below dir.
func (s *source) overlay(m mutant, dir string) (string, error) {
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(changed, m.apply(s.files[m.file]), 0o600); err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, replace, 0o600)
}
