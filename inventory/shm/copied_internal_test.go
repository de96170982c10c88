package shm

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/chunkset"
)

// TestImagesComeBack: what is read is what was written, in the shorter of the two forms, at multiples of 8.
func TestImagesComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i := Image{Revision: rapid.Int64Min(0).Draw(t, "revision"), Written: time.Unix(0, 77),
			Sets: map[string]chunkset.Set{}}
		within := rapid.SampledFrom([]int{5, 70, 5000, 1<<31 - 1}).Draw(t, "within")
		for _, db := range rapid.SliceOfNDistinct(rapid.StringN(0, 20, 60), 0, 5, rapid.ID).Draw(t, "databases") {
			set, err := chunkset.Of(rapid.SliceOfN(rapid.IntRange(0, within), 0, 200).Draw(t, "ids")...)
			require.NoError(t, err)
			i.Sets[db] = set
		}
		b := i.encode()
		require.Zero(t, len(b)%8)
		c, err := decode(7, b)
		require.NoError(t, err)
		again, err := c.image()
		require.NoError(t, err)
		require.Equal(t, i.Revision, again.Revision)
		require.Equal(t, i.Written, again.Written)
		require.Len(t, again.Sets, len(i.Sets))
		for db, set := range i.Sets {
			require.True(t, set.Equal(again.Sets[db]), db)
			require.LessOrEqual(t, 8*len(c.sets[db].bits)+4*len(c.sets[db].list), 4*set.Len())
			for range 20 {
				id := rapid.IntRange(-1, within+1).Draw(t, "id")
				require.Equal(t, set.Contains(id), c.sets[db].contains(id))
			}
			for id := range set.All() {
				require.True(t, c.sets[db].contains(id))
			}
		}
	})
}

// Rule: whatever is in a block whose checksum is right, reading it is an error at worst.
func FuzzDecode(f *testing.F) {
	set := chunkset.MustParse
	f.Add(Image{Sets: map[string]chunkset.Set{"LSST": set("1-90"), "x": set("1,1000"), "": {}}}.encode())
	f.Add(Image{}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < imageHeader {
			return
		}
		binary.LittleEndian.PutUint32(b[inChecksum:], crc32.Checksum(b[imageHeader:], castagnoli))
		c, err := decode(1, b)
		if err != nil {
			assert.ErrorIs(t, err, ErrDamaged)
			return
		}
		for db, ids := range c.sets {
			_ = ids.contains(5) || ids.contains(1<<33) || ids.contains(-1)
			_ = c.sets[db+"x"].contains(5)
		}
		if len(b) < 4096 {
			_, err = c.image()
			assert.True(t, err == nil || assert.ErrorIs(t, err, ErrDamaged))
		}
	})
}
