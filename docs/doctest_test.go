// Package docs_test runs what the documents tell people to type.
package docs_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/freeport"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// programs is the directory with css-sync, css-lab and a stand-in for etcdctl.
var programs string

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "etcdctl" {
		os.Exit(etcdctl(os.Args[1:]))
	}
	os.Exit(func() int {
		var err error
		if programs, err = os.MkdirTemp("", "css-docs-"); err == nil {
			defer os.RemoveAll(programs)
			err = install(programs)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func install(dir string) error {
	out, err := exec.Command("go", "build", "-o", dir+"/", "../cmd/...").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return os.Symlink(self, filepath.Join(dir, "etcdctl"))
}

// TestCommandsOfTheDocuments runs the commands of each document from top to bottom in one shell, and fails with the
// first that fails. What a comment in HTML right before a block of commands says:
//
//	test: skip: REASON          the block is not run
//	test: background until: C   the block runs on until the end, and what follows waits until the command C succeeds
//	test: sql                   a block of SQL that is run as root
//	test: file NAME             a block that is written to that file
//	test: interrupted           a block of one command that is killed at several moments first, and then run
//	test: output                what the block before it prints, with any number for a number and anything for ...
//
// MIGRATION.md has a test of its own.
func TestCommandsOfTheDocuments(t *testing.T) {
	documents, err := filepath.Glob("*.md")
	require.NoError(t, err)
	slices.Sort(documents)
	ran := 0
	for _, name := range append([]string{"../README.md"}, documents...) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		blocks, err := parse(string(text))
		require.NoError(t, err, name)
		if name == migration {
			continue
		}
		if !slices.ContainsFunc(blocks, block.runs) {
			continue
		}
		ran++
		t.Run(strings.TrimSuffix(filepath.Base(name), ".md"), func(t *testing.T) {
			t.Parallel()
			newSession(t).run(blocks)
		})
	}
	assert.GreaterOrEqual(t, ran, 2, "README and the manual of operators have commands")
}

// session is a home directory, an etcd and a MariaDB for one document.
type session struct {
	t     *testing.T
	dir   string
	etcd  *embedetcd.Server
	maria *mariadbd.Server
	env   []string
	http  string // where HTTP is answered in place of the default: other documents are tried at the same time
	// step is called with the text of each mark "then", while the script waits; nil: there are none
	step func(what string) error
}

func newSession(t *testing.T) *session {
	t.Helper()
	etcd := testkit.Etcd(t, embedetcd.Options{})
	s := &session{t: t, dir: t.TempDir(), etcd: etcd, maria: testkit.MariaDB(t, mariadbd.Options{Port: mariadbd.FreePort})}
	endpoint := etcd.Endpoints()[0]
	port, err := freeport.Pick()
	require.NoError(t, err)
	own := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "CSS_SYNC_") || strings.HasPrefix(v, "ETCDCTL_")
	})
	web, err := freeport.Pick()
	require.NoError(t, err)
	s.http = fmt.Sprintf("127.0.0.1:%d", web)
	s.env = append(own, "PATH="+programs+":"+os.Getenv("PATH"), "HOME="+s.dir, "ETCDCTL_ENDPOINTS="+endpoint,
		fmt.Sprintf("OWN_ETCD=127.0.0.1:%d", port),
		"CSS_SYNC_DIAL_TIMEOUT=60s", "CSS_SYNC_COMMAND_TIMEOUT=120s") // the machine may be busy
	examples, err := filepath.Abs("../examples")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(examples, filepath.Join(s.dir, "examples")))
	s.write(".my.cnf", "[client]\nuser = root\nsocket = "+s.maria.Socket()+"\n")
	return s
}

func (s *session) write(name, text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

// seed makes a kvData as a Qserv has it that knows nothing of etcd.
const seed = `mariadb -e 'CREATE DATABASE qservCssData'
css-sync --prefix /seed restore examples/catalogue.json
css-sync --prefix /seed mirror --once --mysql-dsn "root@unix($SOCKET)/qservCssData"
css-sync --prefix /seed del --recursive --yes /DBS
mariadb qservCssData -e 'DROP TABLE css_mirror_state, css_mirror_quarantine, css_mirror_foreign'
`

// run runs the blocks as one script, whose trap says which command failed.
func (s *session) run(blocks []block) {
	t := s.t
	t.Helper()
	script := "set -eEuo pipefail\ntrap 'echo \"FAILED near line $line: $BASH_COMMAND\" >&2' ERR\n" +
		"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nline=0\n" + seed
	for i, b := range blocks {
		text := strings.ReplaceAll(s.script(b), "127.0.0.1:2382", s.http)
		if i+1 < len(blocks) && blocks[i+1].mark == "output" {
			text = fmt.Sprintf("{\n%s} >out.%d 2>&1 || { cat out.%[2]d; exit 1; }\n", text, b.line)
		}
		script += text
	}
	s.write("script", script)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "script")
	cmd.Dir, cmd.Env = s.dir, append(s.env, "SOCKET="+s.maria.Socket())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	end := s.steps(cmd)
	err := errors.Join(cmd.Run(), end())
	log, _ := os.ReadFile(filepath.Join(s.dir, "background.log"))
	require.NoError(t, err, "%s\nin the background:\n%s", out.String(), log)
	s.compareOutputs(blocks)
}

// steps lets the script ask for steps by its descriptors 3 and 4. End waits for the last one, and returns what failed.
func (s *session) steps(cmd *exec.Cmd) (end func() error) {
	if s.step == nil {
		return func() error { return nil }
	}
	asks, asking, err := os.Pipe()
	require.NoError(s.t, err)
	answering, answers, err := os.Pipe()
	require.NoError(s.t, err)
	cmd.ExtraFiles = []*os.File{asking, answering}
	done := make(chan error, 1)
	go func() {
		defer answers.Close()
		for lines := bufio.NewScanner(asks); lines.Scan(); {
			if err := s.step(lines.Text()); err != nil {
				done <- fmt.Errorf("%s: %w", lines.Text(), err)
				return
			}
			fmt.Fprintln(answers, "go on")
		}
		done <- nil
	}()
	return func() error {
		defer asks.Close()
		return errors.Join(asking.Close(), answering.Close(), <-done)
	}
}

// compareOutputs compares what commands printed with what the document says.
func (s *session) compareOutputs(blocks []block) {
	s.t.Helper()
	for i, b := range blocks {
		if b.mark != "output" {
			continue
		}
		have, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf("out.%d", blocks[i-1].line)))
		require.NoError(s.t, err)
		assert.Regexp(s.t, patternOf(b.text), string(have), "line %d", b.line)
	}
}

// patternOf makes an expression of what a document shows of an output.
func patternOf(text string) string {
	pattern := regexp.QuoteMeta(strings.Join(strings.Fields(text), " "))
	pattern = strings.ReplaceAll(pattern, `\.\.\.`, `(?s:.*)`)
	pattern = regexp.MustCompile(`[0-9]+`).ReplaceAllString(pattern, `[0-9]+`)
	return `^\s*` + strings.ReplaceAll(pattern, " ", `\s+`) + `\s*$`
}

func (s *session) script(b block) string {
	at := fmt.Sprintf("line=%d\n", b.line)
	kind, argument, _ := strings.Cut(b.mark, " ")
	switch {
	case kind == "then":
		return fmt.Sprintf("%secho '%s' >&3; read -r <&4\n", at, argument)
	case !b.runs():
		return ""
	case kind == "interrupted":
		return at + "for d in 0.05 0.1 0.2 0.3 0.4; do timeout -s KILL $d " + strings.TrimSpace(b.text) +
			" >>interrupted.log 2>&1 || true; done\n" + b.text
	case kind == "sql":
		return at + "mariadb <<'END'\n" + b.text + "END\n"
	case kind == "file":
		_, port, _ := strings.Cut(s.maria.Addr(), ":")
		return at + "cat >" + argument + " <<'END'\n" + strings.Replace(b.text, "port = 3306", "port = "+port, 1) + "END\n"
	case kind == "background":
		elsewhere := "" // a daemon with an etcd of its own must not be told of another one
		if strings.Contains(b.text, "--data-dir") {
			elsewhere = "unset ETCDCTL_ENDPOINTS; export CSS_SYNC_LISTEN_CLIENT=$OWN_ETCD; "
			at += "export ETCDCTL_ENDPOINTS=$OWN_ETCD\n"
		}
		return fmt.Sprintf("%s( %s%s) >>background.log 2>&1 3>&- 4<&- &\n"+
			"until %s >/dev/null 2>&1; do kill -0 $!; sleep 0.1; done\n",
			at, elsewhere, b.text, strings.TrimPrefix(argument, "until: "))
	}
	return at + b.text
}

// block is what stands between two lines of backticks.
type block struct {
	line     int
	language string
	mark     string // "" or what the comment before it says
	text     string
}

func (b block) runs() bool {
	return !strings.HasPrefix(b.mark, "skip: ") && b.mark != "output" && (b.language == "sh" || b.mark != "")
}

func parse(text string) (blocks []block, err error) {
	mark, inside := "", false
	for i, line := range strings.Split(text, "\n") {
		comment, isMark := strings.CutPrefix(line, "<!-- test: ")
		language, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && !inside:
			blocks, inside, mark = append(blocks, block{line: i + 1, language: language, mark: mark}), true, ""
		case isFence:
			inside = false
		case inside:
			blocks[len(blocks)-1].text += line + "\n"
		case isMark && strings.HasPrefix(comment, "then "): // a block of its own
			blocks = append(blocks, block{line: i + 1, mark: strings.TrimSuffix(comment, " -->")})
		case isMark:
			mark = strings.TrimSuffix(comment, " -->")
			known := slices.ContainsFunc([]string{"skip: ", "background until: ", "file ", "sql", "interrupted",
				"output"},
				func(kind string) bool { return strings.HasPrefix(mark, kind) })
			if !known || mark == "skip: " {
				return nil, fmt.Errorf("line %d: the mark %q is not known, or has no reason", i+1, mark)
			}
		case mark != "":
			return nil, fmt.Errorf("line %d: the mark %q has no block right after it", i+1, mark)
		}
	}
	return blocks, nil
}
