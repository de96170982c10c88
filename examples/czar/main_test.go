package main_test

import (
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// patience is enough for what takes some milliseconds, on a machine that is busy.
const patience = time.Minute

var object = cssetcd.TableName{DB: "lsst", Table: "Object"}

// catalogue returns a client on a CSS with table lsst.Object, and where its etcd is.
func catalogue(t *testing.T) (*cssetcd.Client, string) {
	t.Helper()
	server := testkit.Etcd(t, embedetcd.Options{})
	etcd := testkit.ClientOf(t, server)
	client, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	var b cssetcd.Batch
	b.CreateDatabase(cssetcd.Database{
		Name: "lsst", Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12, Overlap: 0.0167},
	})
	b.CreateTable(cssetcd.Table{
		Name:   object,
		Schema: "(objectId BIGINT NOT NULL, ra DOUBLE, decl DOUBLE, KEY (objectId))",
		Partitioning: &cssetcd.Partitioning{
			DirDB: "lsst", DirTable: "Object", DirColumn: "objectId", LatColumn: "decl", LonColumn: "ra", SubChunks: true,
		},
	})
	b.CreateTable(cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: "Filter"}, Schema: "(id INT)"})
	b.CreateTable(cssetcd.Table{
		Name: cssetcd.TableName{DB: "lsst", Table: "Half"}, Schema: "(id INT)", Status: cssetcd.StatusIgnore,
	})
	b.AddNode(cssetcd.Node{Name: "worker-1", Type: "worker", Host: "worker-1.example.org", Port: 5012})
	_, err = client.Commit(t.Context(), &b)
	require.NoError(t, err)
	for chunk := range 3 {
		_, err = client.AddChunk(t.Context(), object, chunk, "worker-1")
		require.NoError(t, err)
	}
	return client, server.Endpoints()[0]
}

// czar is the example at work.
type czar struct {
	testkit.Text // both streams

	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// start builds the example and runs it.
func start(t *testing.T, endpoint string) *czar {
	t.Helper()
	program := filepath.Join(t.TempDir(), "czar")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	c := &czar{t: t, cmd: exec.Command(program, endpoint)}
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	c.cmd.Stdout, c.cmd.Stderr = c, c
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

func (c *czar) ask(query string) {
	c.t.Helper()
	_, err := io.WriteString(c.stdin, query+"\n")
	require.NoError(c.t, err)
}

func (c *czar) await(pattern string) {
	c.t.Helper()
	p := regexp.MustCompile(pattern)
	found := func() bool { return p.MatchString(c.String()) }
	require.Eventually(c.t, found, patience, 5*time.Millisecond, "%s does not appear", pattern)
}

// wait expects the czar to end by itself, and well.
func (c *czar) wait() {
	c.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()
	select {
	case err := <-ended:
		require.NoError(c.t, err, c.String())
	case <-time.After(patience):
		require.Fail(c.t, "it does not end", c.String())
	}
}

func TestExampleCzarPlansAndFollows(t *testing.T) {
	client, endpoint := catalogue(t)
	c := start(t, endpoint)
	c.ask("lsst.Object")
	c.await(`lsst\.Object: chunk level 2, partitioning &\{DirDB:lsst DirTable:Object .*` +
		`columns \[\{objectId BIGINT NOT NULL\} \{ra DOUBLE\} \{decl DOUBLE\}\]`)
	c.ask("lsst.Filter")
	c.await(`lsst\.Filter: chunk level 0, partitioning <nil>, columns \[\{id INT\}\]`)
	for query, answer := range map[string]string{
		"lsst.Half":     `admit a query on lsst\.Half: not READY: it has the status DO_NOT_USE`,
		"lsst.Nothing":  `table lsst\.Nothing: no such table`,
		"nobody.Object": `table nobody\.Object: .*no such database`, "Object": `"Object" is not of the form database\.table`,
	} {
		c.ask(query)
		c.await(answer)
	}

	_, err := client.CreateTable(t.Context(), cssetcd.Table{
		Name: cssetcd.TableName{DB: "lsst", Table: "New"}, Schema: "(a INT)",
	})
	require.NoError(t, err)
	c.await(`INFO schema key=/DBS/lsst/TABLES/New/schema revision=\d+ old="" new="\(a INT\)"`)
	_, err = client.DropTable(t.Context(), cssetcd.TableName{DB: "lsst", Table: "New"})
	require.ErrorIs(t, err, cssetcd.ErrCzarsRegistered)
	_, err = client.DropTable(t.Context(), cssetcd.TableName{DB: "lsst", Table: "New"}, cssetcd.Unsafe())
	require.NoError(t, err)
	c.await(`TABLES/New/schema revision=\d+ old="\(a INT\)" new=""`)
	assert.Equal(t, 2, strings.Count(c.String(), "INFO schema"), c.String())

	require.NoError(t, c.stdin.Close())
	c.wait()
}
