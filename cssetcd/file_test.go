package cssetcd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

func openFile(t *testing.T, path string, opts ...cssetcd.Option) *cssetcd.Client {
	t.Helper()
	c := must(cssetcd.OpenFile(path, opts...))(t)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

// TestFileHoldsTheCatalogue: what is written is in the file at once, in the form of a dump, and is there when it is
// opened again.
func TestFileHoldsTheCatalogue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "css.json")
	c := must(cssetcd.OpenFile(path))(t)
	require.NoFileExists(t, path, "opening writes nothing")
	fill(t, c)
	ok(t)(c.AddChunk(t.Context(), object, 1, "worker-1"))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, dump(t, loaded(t, c, 0), ""), string(text))
	require.NoError(t, c.Close())

	again := openFile(t, path)
	assert.Equal(t, rows(t, c), rows(t, again))
	t.Run("with what etcd keeps beside it", func(t *testing.T) {
		assert.Equal(t, "/DBS/lsst/TABLES/Object", beside(t, again)["fold/dbs/lsst/tables/object"])
		require.ErrorIs(t, errOf(again.CreateDatabase(t.Context(), cssetcd.Database{Name: "LSST"})), cssetcd.ErrDBExists)
		require.ErrorIs(t, errOf(again.DeleteNode(t.Context(), "worker-1")), cssetcd.ErrNodeInUse)
	})
	t.Run("what fails leaves the file alone", func(t *testing.T) {
		require.Error(t, errOf(again.CreateTable(t.Context(), directorTable(object))))
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, now)
	})
	t.Run("a file that is not allowed to be replaced is an error, and nothing is seen", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may write everywhere")
		}
		require.NoError(t, os.Chmod(filepath.Dir(path), 0o500))
		defer func() { assert.NoError(t, os.Chmod(filepath.Dir(path), 0o700)) }()
		unchanged(t, again, func() { require.Error(t, errOf(again.DropTable(t.Context(), object))) })
	})
	t.Run("no temporary file is left", func(t *testing.T) {
		files, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		for _, f := range files {
			assert.True(t, strings.HasPrefix(f.Name(), "css.json"), f.Name())
		}
	})
}

// TestFileHasOneWriter: the second is refused until the first has closed it; readers are not held up.
func TestFileHasOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "css.json")
	first := must(cssetcd.OpenFile(path))(t)
	fill(t, first)
	_, err := cssetcd.OpenFile(path)
	require.ErrorIs(t, err, cssetcd.ErrFileInUse)
	require.ErrorIs(t, err, cssetcd.ErrPrecondition)
	reader := openFile(t, path, cssetcd.WithReadOnly())
	must(reader.Table(t.Context(), object))(t)
	require.ErrorIs(t, errOf(reader.DropTable(t.Context(), object)), cssetcd.ErrReadOnly)
	require.NoError(t, first.Close())
	openFile(t, path)
}

func TestFileThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"/DBS/a.b": ""}`), 0o600))
	_, err := cssetcd.OpenFile(bad)
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	require.ErrorIs(t, err, cssetcd.ErrVersionMissing)
	assert.ErrorContains(t, err, "css: open "+bad+": ")
	require.ErrorIs(t, errOf(cssetcd.OpenFile(filepath.Join(dir, "none", "css.json"))), os.ErrNotExist)
	_, err = cssetcd.OpenFile(filepath.Join(dir, "none.json"), cssetcd.WithReadOnly())
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = cssetcd.OpenFile(bad, cssetcd.WithPrefix("/x"), cssetcd.WithLogger(nil))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	assert.ErrorContains(t, err, "2 faults")
	t.Run("what could not be opened is not locked", func(t *testing.T) {
		require.NoError(t, os.WriteFile(bad, []byte(minimalDump), 0o600))
		c := openFile(t, bad)
		ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "db"}))
		info, err := os.Stat(bad)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "the permissions stay")
	})
}

func TestFileCannotBeFollowed(t *testing.T) {
	c := openFile(t, filepath.Join(t.TempDir(), "css.json"))
	fill(t, c)
	_, err := cssetcd.OpenView(t.Context(), c)
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	assert.ErrorContains(t, err, "cannot be followed")
	id := must(c.Identity(t.Context()))(t)
	assert.Zero(t, id.Cluster)
}

// TestFileAndEtcdExchangeDumps: a file is a dump, and a dump is a file.
func TestFileAndEtcdExchangeDumps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "css.json")
	onFile := openFile(t, path)
	must(onFile.Restore(t.Context(), parse(t, dumpOf(largeDump()))))(t)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	onEtcd := csstest.New(t)
	must(onEtcd.Restore(t.Context(), parse(t, string(text))))(t)
	assert.Equal(t, string(text), dump(t, loaded(t, onEtcd, 0), ""))
}

func TestFilePath(t *testing.T) {
	for url, want := range map[string]string{"file:///a/b.json": "/a/b.json", "file://a": "", "/a": "", "": "",
		"file:/a": "", "http:///a": ""} {
		path, ok := cssetcd.FilePath(url)
		assert.Equal(t, want != "", ok, url)
		if ok {
			assert.Equal(t, want, path)
		}
	}
}

// TestFileThroughALink: the file that a link leads to is written and locked, and the link stays one.
func TestFileThroughALink(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(dir, "elsewhere")
	require.NoError(t, os.Mkdir(elsewhere, 0o700))
	file, near, far := filepath.Join(elsewhere, "css.json"), filepath.Join(elsewhere, "near"), filepath.Join(dir, "far")
	require.NoError(t, os.Symlink("css.json", near))
	require.NoError(t, os.Symlink("elsewhere/near", far))
	for range 2 { // made through the link, and replaced
		c := must(cssetcd.OpenFile(far))(t)
		if _, err := c.Database(t.Context(), "lsst"); err != nil {
			fill(t, c)
		}
		ok(t)(c.SetTableStatus(t.Context(), object, "X"))
		for _, path := range []string{file, near} {
			require.ErrorIs(t, errOf(cssetcd.OpenFile(path)), cssetcd.ErrFileInUse, path)
		}
		require.NoError(t, c.Close())
	}
	for _, link := range []string{near, far} {
		info, err := os.Lstat(link)
		require.NoError(t, err)
		assert.Equal(t, os.ModeSymlink, info.Mode().Type(), link)
	}
	tab := must(openFile(t, file).Table(t.Context(), object))(t)
	assert.Equal(t, cssetcd.Status("X"), tab.Status)
	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink("loop", loop))
	require.ErrorIs(t, errOf(cssetcd.OpenFile(loop)), syscall.ELOOP)
}

// TestWhatIsNoFileIsNotOpened: a device may never end, and is not to be replaced; nothing is made beside it.
func TestWhatIsNoFileIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("/dev/full", link))
	for _, path := range []string{"/dev/full", "/dev/null", pipe, link} {
		for _, opts := range [][]cssetcd.Option{nil, {cssetcd.WithReadOnly()}} {
			_, err := cssetcd.OpenFile(path, opts...)
			require.ErrorIs(t, err, cssetcd.ErrInvalid, path)
			assert.ErrorContains(t, err, "is not a regular file")
		}
	}
	assert.NoFileExists(t, pipe+".lock")
	_, err := cssetcd.OpenFile(dir)
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	assert.ErrorContains(t, err, "is a directory")
	assert.NoFileExists(t, dir+".lock")
}

// TestFileKilledInASave: a process that is killed at any moment of a save leaves the old content or the new one, and
// nobody locked out.
func TestFileKilledInASave(t *testing.T) {
	const moment, file = "CSS_TEST_KILLED_AT", "CSS_TEST_FILE"
	if path := os.Getenv(file); path != "" { // the process that is killed
		c := must(cssetcd.OpenFile(path))(t)
		c.Saving(func(at int) {
			if strconv.Itoa(at) == os.Getenv(moment) {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		})
		ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "New"}))
		t.Fatal("it was not killed")
	}
	for at, isNew := range []bool{false, false, true} {
		path := filepath.Join(t.TempDir(), "css.json")
		c := must(cssetcd.OpenFile(path))(t)
		ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "Old"}))
		require.NoError(t, c.Close())

		child := exec.Command(os.Args[0], "-test.run=^TestFileKilledInASave$")
		child.Env = append(os.Environ(), file+"="+path, moment+"="+strconv.Itoa(at))
		out, err := child.CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%s", out)
		require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", out)

		c, err = cssetcd.OpenFile(path)
		require.NoError(t, err, "whole, and not locked")
		must(c.Database(t.Context(), "Old"))(t)
		_, err = c.Database(t.Context(), "New")
		assert.Equal(t, isNew, err == nil, "moment %d: %v", at, err)
		ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "Next"}))
		require.NoError(t, c.Close())
	}
}
