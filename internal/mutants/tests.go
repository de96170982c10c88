package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// place is a line and a column of a file.
type place struct{ line, column int }

func (p place) before(q place) bool {
	return cmp.Or(cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column)) < 0
}

// block is a stretch of statements of a file.
type block struct {
	file     string
	from, to place
}

func (b block) holds(file string, at place) bool {
	return b.file == file && !at.before(b.from) && at.before(b.to)
}

// test is a test that passes, what it runs of the package that is changed, and how long it took.
type test struct {
	binary *binary
	name   string
	ran    []block
	took   time.Duration
}

func (t test) runs(m mutant) bool {
	return slices.ContainsFunc(t.ran, func(b block) bool { return b.holds(m.file, m.at) })
}

// binary is how the tests of a package are run.
type binary struct {
	pkg  string
	args []string
}

const module = "github.com/qserv/css-etcd/"

// build makes the test binary of a package.
func build(ctx context.Context, goTool, pkg, to string, more ...string) error {
	args := append([]string{"test", "-c", "-vet=off", "-p", "1", "-ldflags=-s -w", "-o", to}, more...)
	if out, err := exec.CommandContext(ctx, goTool, append(args, "./"+pkg)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s cannot be built: %w: %s", pkg, err, out)
	}
	return nil
}

// binaries are the test binaries that were built together, in dir.
type binaries struct {
	dir   string
	paths map[*binary]string
}

// build makes all test binaries with other files.
func (t *trial) build(ctx context.Context, files map[string]string, tmp string) (all binaries, err error) {
	all.paths = map[*binary]string{}
	if all.dir, err = os.MkdirTemp(tmp, "built"); err != nil {
		return all, err
	}
	overlay, err := t.overlay(files, all.dir)
	if err != nil {
		return all, err
	}
	for _, test := range t.tests {
		b := test.binary
		if all.paths[b] != "" {
			continue
		}
		all.paths[b] = filepath.Join(all.dir, fmt.Sprintf("%d.test", len(all.paths)))
		if err := build(ctx, t.goTool, b.pkg, all.paths[b], "-overlay="+overlay); err != nil {
			return all, err
		}
	}
	return all, nil
}

// baseline tries each test of a package by itself. Those that fail or take too long are left out, which is told.
func (t *trial) baseline(ctx context.Context, pkg, changed, tmp string) error {
	b := &binary{pkg: pkg}
	path := filepath.Join(tmp, strings.ReplaceAll(pkg, "/", "-")+".test")
	if err := build(ctx, t.goTool, pkg, path, "-cover", "-covermode=set", "-coverpkg="+module+changed); err != nil {
		return err
	}
	if help, _ := exec.CommandContext(ctx, path, "-help").CombinedOutput(); bytes.Contains(help,
		[]byte("rapid.nofailfile")) {
		b.args = []string{"-rapid.nofailfile"}
	}
	list, err := exec.CommandContext(ctx, path, "-test.list", t.run).Output()
	if err != nil {
		return fmt.Errorf("the tests of %s: %w", pkg, err)
	}
	var trying errgroup.Group
	trying.SetLimit(t.parallel)
	for _, name := range strings.Fields(string(list)) {
		if !strings.HasPrefix(name, "Test") {
			continue
		}
		trying.Go(func() error {
			profile, began := filepath.Join(tmp, name+".profile"), time.Now()
			if failed := b.fails(ctx, path, []string{name}, t.slowest, 0, "-test.coverprofile="+profile); failed != "" {
				fmt.Printf("%s: %s is left out: %s\n", pkg, name, failed)
				return nil
			}
			return t.profile(&test{binary: b, name: name, took: time.Since(began)}, profile)
		})
	}
	return trying.Wait()
}

var profileLine = regexp.MustCompile(`^(.+):(\d+)\.(\d+),(\d+)\.(\d+) \d+ (\d+)$`)

// profile takes a test in, with what it ran.
func (t *trial) profile(of *test, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	t.Lock()
	defer t.Unlock()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m := profileLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(m[2+i])
		}
		at := block{strings.TrimPrefix(m[1], module), place{n[0], n[1]}, place{n[2], n[3]}}
		t.blocks[at] = true
		if m[6] != "0" {
			of.ran = append(of.ran, at)
		}
	}
	t.tests = append(t.tests, *of)
	return nil
}

// most is what a test binary may use of memory, in KiB: a loop that has lost its end takes all there is.
const most = 4 << 20

var failure = regexp.MustCompile(`(?m)^(--- FAIL: \S+|panic: .*|fatal error: .*|goroutines are left.*)`)

// fails runs some tests of a binary with a mutant, 0 for none, and returns the first failure, "" for none.
func (b *binary) fails(ctx context.Context, path string, names []string, limit time.Duration, number int,
	more ...string) string {
	tmp, err := os.MkdirTemp(filepath.Dir(path), "run")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(tmp)
	ctx, cancel := context.WithTimeout(ctx, limit+5*time.Second)
	defer cancel()
	args := []string{"-c", fmt.Sprintf(`ulimit -d %d; exec "$@"`, most), "sh", path, "-test.failfast",
		"-test.timeout=" + limit.String(), "-test.run=^(" + strings.Join(names, "|") + ")$"}
	cmd := exec.CommandContext(ctx, "sh", slices.Concat(args, b.args, more)...)
	cmd.Dir, cmd.Env = b.pkg, append(os.Environ(), "TMPDIR="+tmp, fmt.Sprintf("%s=%d", active, number))
	// Servers that tests start go with them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	_ = cmd.Cancel()
	if err == nil {
		return ""
	}
	return cmp.Or(string(failure.Find(out)), err.Error())
}

// batches returns tests by how long they take: the quick ones first.
func batches(tests []test) (all [][]test) {
	tests = slices.Clone(tests)
	slices.SortStableFunc(tests, func(a, b test) int {
		return cmp.Or(cmp.Compare(size(a), size(b)), strings.Compare(a.binary.pkg, b.binary.pkg))
	})
	for _, t := range tests {
		if n := len(all); n > 0 && size(all[n-1][0]) == size(t) && all[n-1][0].binary == t.binary {
			all[n-1] = append(all[n-1], t)
		} else {
			all = append(all, []test{t})
		}
	}
	return all
}

func size(t test) int {
	switch {
	case t.took < time.Second:
		return 0
	case t.took < 6*time.Second:
		return 1
	}
	return 2
}
