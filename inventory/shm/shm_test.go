package shm_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/inventory/shm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const worker = "worker-1"

func openWriter(t testing.TB, path string) *shm.Writer {
	t.Helper()
	w, err := shm.OpenWriter(path, worker, 0o644)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.Close()) })
	return w
}

func openReader(t testing.TB, path string) *shm.Reader {
	t.Helper()
	r, err := shm.OpenReader(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	return r
}

func contains(t testing.TB, r *shm.Reader, db string, chunk int) bool {
	t.Helper()
	found, err := r.Contains(db, chunk)
	require.NoError(t, err)
	return found
}

func image(rev int64, sets map[string]string) shm.Image {
	i := shm.Image{Revision: rev, Written: time.Unix(0, int64(rev)), Sets: map[string]chunkset.Set{}}
	for db, text := range sets {
		i.Sets[db] = chunkset.MustParse(text)
	}
	return i
}

func TestBlock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "block")
	_, err := shm.OpenReader(path)
	assert.ErrorIs(t, err, shm.ErrNoBlock)
	w := openWriter(t, path)
	_, err = shm.OpenReader(path)
	assert.ErrorIs(t, err, shm.ErrNoBlock, "nothing was written yet")
	sets := map[string]string{"LSST": "1-3,9,1234567890", "exactly8": "0-200", "none": ""}
	require.NoError(t, w.Write(image(5, sets), time.Unix(0, 5)))
	r := openReader(t, path)
	assert.Equal(t, worker, r.Worker())
	assert.Greater(t, r.Sequence(), uint64(1), "it is not one that another block of this path had")
	assert.Equal(t, time.Unix(0, 5), r.Confirmed())
	for chunk, want := range map[int]bool{0: false, 1: true, 3: true, 4: false, 9: true, 1234567890: true, -1: false,
		1 << 40: false} {
		assert.Equal(t, want, contains(t, r, "LSST", chunk), chunk)
	}
	assert.True(t, contains(t, r, "exactly8", 0))
	assert.True(t, contains(t, r, "exactly8", 200))
	assert.False(t, contains(t, r, "exactly8", 201))
	for _, db := range []string{"none", "LSS", "LSSTx", "", "exactly9"} {
		assert.False(t, contains(t, r, db, 1), db)
	}
	all, err := r.Image()
	require.NoError(t, err)
	assert.EqualValues(t, 5, all.Revision)
	assert.Equal(t, "map[LSST:1-3,9,1234567890 exactly8:0-200 none:]", fmt.Sprint(all.Sets))
	w.Confirm(time.Unix(0, 7))
	assert.Equal(t, time.Unix(0, 7), r.Confirmed())
}

func TestLookUpAllocatesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "block")
	require.NoError(t, openWriter(t, path).Write(image(5, map[string]string{"LSST": "1-3,9,1234567890"}), time.Now()))
	r := openReader(t, path)
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = r.Contains("LSST", 9) }))
}

// Rule: a reader that has mapped a block finds what was written beyond that.
func TestBlockGrows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "block")
	w := openWriter(t, path)
	require.NoError(t, w.Write(image(1, map[string]string{"LSST": "1"}), time.Unix(0, 5)))
	r, again := openReader(t, path), openReader(t, path)
	for rev, n := range []int{10, 5_000, 150_000, 1, 400_000, 3} {
		var ids []int
		for i := range n {
			ids = append(ids, 2*i)
		}
		set, err := chunkset.Of(ids...)
		require.NoError(t, err)
		require.NoError(t, w.Write(shm.Image{Revision: int64(rev), Sets: map[string]chunkset.Set{"LSST": set}},
			time.Now()))
		assert.True(t, contains(t, r, "LSST", 2*n-2))
		assert.False(t, contains(t, r, "LSST", 2*n-1))
		all, err := again.Image()
		require.NoError(t, err)
		assert.True(t, set.Equal(all.Sets["LSST"]))
	}
}

// Rule: one process writes a block, that of its worker, and nothing else is overwritten.
func TestWhoMayWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "block")
	w, err := shm.OpenWriter(path, worker, 0o664)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o664), info.Mode().Perm())
	_, err = shm.OpenWriter(path, worker, 0o644)
	assert.ErrorIs(t, err, shm.ErrWritten)
	require.NoError(t, w.Write(image(5, map[string]string{"LSST": "1"}), time.Unix(0, 5)))
	require.NoError(t, w.Close())
	_, err = shm.OpenWriter(path, "worker-2", 0o644)
	assert.ErrorIs(t, err, shm.ErrNotBlock)
	assert.ErrorContains(t, err, "it is of worker \"worker-1\"")
	reads, err := os.Open(path)
	require.NoError(t, err)
	defer reads.Close()
	require.NoError(t, unix.Flock(int(reads.Fd()), unix.LOCK_EX))
	require.NoError(t, unix.FcntlFlock(reads.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}))
	again := openWriter(t, path) // whatever who may only read it has locked
	r := openReader(t, path)
	assert.True(t, contains(t, r, "LSST", 1), "what was there stays")
	require.NoError(t, again.Write(image(6, map[string]string{"LSST": "2"}), time.Unix(0, 5)))
	assert.True(t, contains(t, r, "LSST", 2))

	link := filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "linked"), nil, 0o600))
	require.NoError(t, os.Symlink(filepath.Join(dir, "linked"), link))
	_, err = shm.OpenWriter(link, worker, 0o644)
	assert.ErrorIs(t, err, shm.ErrNotBlock)
	assert.ErrorContains(t, err, "link is no regular file")
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(filepath.Join(dir, "linked"), 7, 7))
		_, err = shm.OpenWriter(filepath.Join(dir, "linked"), worker, 0o644)
		assert.ErrorIs(t, err, shm.ErrNotBlock)
		assert.ErrorContains(t, err, "linked belongs to the user with the id 7")
	}

	for _, name := range []string{"", strings.Repeat("x", 256), "a\x00b"} {
		_, err := shm.OpenWriter(filepath.Join(dir, "x"), name, 0o644)
		assert.ErrorIs(t, err, shm.ErrNotBlock)
	}
	for what, text := range map[string]string{
		"short": "notes", "other": strings.Repeat("notes", 2000),
		"zeros and notes": strings.Repeat("\x00", 4000) + strings.Repeat("n", 200),
		"version":         "CSSCHUNK\x02" + strings.Repeat("\x00", 9000),
	} {
		file := filepath.Join(dir, what)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := shm.OpenWriter(file, worker, 0o644)
		assert.ErrorIs(t, err, shm.ErrNotBlock, what)
		_, err = shm.OpenReader(file)
		assert.True(t, errors.Is(err, shm.ErrNotBlock) || errors.Is(err, shm.ErrNoBlock), what)
		now, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, text, string(now), what)
	}
}

// Rule: a block whose file was removed is there again with the next image.
func TestFileIsRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "block")
	w := openWriter(t, path)
	require.NoError(t, w.Write(image(5, map[string]string{"LSST": "1"}), time.Unix(0, 5)))
	old := openReader(t, path)
	require.NoError(t, os.Remove(path))
	require.NoError(t, w.Write(image(6, map[string]string{"LSST": "2"}), time.Unix(0, 5)))
	assert.True(t, contains(t, openReader(t, path), "LSST", 2))
	assert.True(t, contains(t, old, "LSST", 1), "who reads the old one reads on")

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	assert.ErrorIs(t, w.Write(image(7, map[string]string{"LSST": "3"}), time.Now()), shm.ErrNotBlock)
	require.NoError(t, os.Remove(path))
	require.NoError(t, w.Write(image(8, map[string]string{"LSST": "4"}), time.Unix(0, 5)))
	assert.True(t, contains(t, openReader(t, path), "LSST", 4))
}

// Rule: a block that somebody has broken is an error, and no crash.
func TestBlockIsBroken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "block")
	w := openWriter(t, path)
	require.NoError(t, w.Write(image(5, map[string]string{"LSST": "1-3,9,70"}), time.Unix(0, 5)))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for at := 8; at < 4096+1000; at++ {
		if at == 64 {
			at = 4096
		}
		for _, b := range []byte{0xff, good[at] ^ 1, 0x80} {
			broken := append([]byte(nil), good...)
			broken[at] = b
			file := filepath.Join(t.TempDir(), fmt.Sprint(at))
			require.NoError(t, os.WriteFile(file, broken, 0o600))
			r, err := shm.OpenReader(file)
			if err != nil {
				continue
			}
			if i, err := r.Image(); err == nil && at >= 4096 && b != good[at] {
				assert.True(t, at >= 4096+8 && at < 4096+32 || at >= 4096+int(good[4096]), "byte %d: %v", at, i)
			}
			_, _ = r.Contains("LSST", 70)
			require.NoError(t, r.Close())
		}
	}
}

// held is what images of a revision hold: who reads one can tell whether it is whole.
func held(rev int64) shm.Image {
	i := shm.Image{Revision: rev, Written: time.Unix(0, int64(rev)), Sets: map[string]chunkset.Set{}}
	for db, n := range map[string]int{"LSST": int(rev % 700), "another database": int(rev % 97), "x": 50 * int(rev%11)} {
		if rev%500 == 0 {
			n *= 20 // it grows
		}
		ids := []int{int(rev) & (1<<31 - 1)}
		for k := range n {
			ids = append(ids, k*(1+int(rev%5)))
		}
		set, err := chunkset.Of(ids...)
		if err != nil {
			panic(err)
		}
		i.Sets[db] = set
	}
	return i
}

// whole fails unless an image holds what one of its revision does.
func whole(i shm.Image) error {
	want := held(i.Revision)
	if len(i.Sets) != len(want.Sets) {
		return fmt.Errorf("revision %d: %d databases", i.Revision, len(i.Sets))
	}
	for db, set := range want.Sets {
		if !i.Sets[db].Equal(set) {
			return fmt.Errorf("revision %d: database %s: %s", i.Revision, db, i.Sets[db])
		}
	}
	return nil
}

// Rule: who reads while somebody writes sees the one image or the other.
func TestReadersSeeWholeImages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "block")
	w := openWriter(t, path)
	require.NoError(t, w.Write(held(1), time.Now()))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		r := openReader(t, path)
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				i, err := r.Image()
				if !assert.NoError(t, errors.Join(err, whole(i))) {
					return
				}
				if found, err := r.Contains("x", 1<<30); !assert.NoError(t, err) || !assert.False(t, found) {
					return
				}
			}
		})
	}
	for rev := int64(2); rev < 500; rev++ {
		require.NoError(t, w.Write(held(rev), time.Now()))
	}
	close(stop)
	readers.Wait()
}
