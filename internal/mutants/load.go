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
	s.known = importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser,
		error) {
		return os.Open(exports[path])
	})
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

// overlay writes what the go command needs to build with other files, by their path below the module; dir is for it
// alone.
func (s *source) overlay(files map[string]string, dir string) (string, error) {
	replace := map[string]string{}
	for file, text := range files {
		path, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// together returns the files in which all mutants that stand in functions can be switched on by their place in the
// list, from 1 on, and the places of the rest.
func (s *source) together(all []mutant) (files map[string]string, rest []int) {
	files = map[string]string{}
	for file, parsed := range s.parsed {
		here := map[int]mutant{}
		for i, m := range all {
			if m.file == file {
				here[i+1] = m
			}
		}
		text, more := s.switched(file, here)
		files[file], rest = text, append(rest, more...)
		files[filepath.Dir(file)+"/mutant_active.go"] = activated(parsed.Name.Name)
	}
	return files, rest
}
