// Package docs_test runs what the documents tell people to type.
package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	maria *mariadbd.Server
	env   []string
}

func newSession(t *testing.T) *session {
	t.Helper()
	etcd := testkit.Etcd(t, embedetcd.Options{})
	s := &session{t: t, dir: t.TempDir(), maria: testkit.MariaDB(t, mariadbd.Options{Port: mariadbd.FreePort})}
	endpoint := etcd.Endpoints()[0]
	port, err := freeport.Pick()
	require.NoError(t, err)
	own := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "CSS_SYNC_") || strings.HasPrefix(v, "ETCDCTL_")
	})
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
css-sync --prefix /seed del --recursive /DBS
mariadb qservCssData -e 'DROP TABLE css_mirror_state, css_mirror_quarantine, css_mirror_foreign'
`

// run runs the blocks as one script, whose trap says which command failed.
func (s *session) run(blocks []block) {
	t := s.t
	t.Helper()
	script := "set -eEuo pipefail\ntrap 'echo \"FAILED near line $line: $BASH_COMMAND\" >&2' ERR\n" +
		"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nline=0\n" + seed
	for _, b := range blocks {
		script += s.script(b)
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
	err := cmd.Run()
	log, _ := os.ReadFile(filepath.Join(s.dir, "background.log"))
	require.NoError(t, err, "%s\nin the background:\n%s", out.String(), log)
}

func (s *session) script(b block) string {
	at := fmt.Sprintf("line=%d\n", b.line)
	kind, argument, _ := strings.Cut(b.mark, " ")
	switch {
	case !b.runs():
		return ""
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
		return fmt.Sprintf("%s( %s%s) >>background.log 2>&1 &\nuntil %s >/dev/null 2>&1; do kill -0 $!; sleep 0.1; done\n",
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
	return !strings.HasPrefix(b.mark, "skip: ") && (b.language == "sh" || b.mark != "")
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
		case isMark:
			mark = strings.TrimSuffix(comment, " -->")
			known := slices.ContainsFunc([]string{"skip: ", "background until: ", "file ", "sql"},
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
