package progress

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLinesAppearEveryFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := New(&out, "restore")
		for i := range 11 {
			r.Update(i*100, 1000)
			time.Sleep(time.Second)
		}
		r.Finish()
		assert.Equal(t, "restore: 500 of 1000 (50.0 %), 5s left\nrestore: 1000 of 1000 (100.0 %)\n", out.String())
	})
}

func TestShortOperationLeavesNoLine(t *testing.T) {
	var out bytes.Buffer
	r := New(&out, "restore")
	r.Update(1, 2)
	r.Update(2, 2)
	r.Finish()
	assert.Empty(t, out.String())
}

func TestBarIsRedrawnAndEndsItsLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := &bar{w: &out, label: "restore", clock: newClock()}
		b.Update(1, 4) // too early to be drawn
		time.Sleep(redraw)
		b.Update(2, 4)
		b.Update(3, 4) // too soon after the last
		b.Update(4, 4) // the end is always drawn
		b.Finish()
		b.Finish()
		assert.Equal(t, "\r\x1b[Krestore [===============               ] 2 of 4, 0s left"+
			"\r\x1b[Krestore [==============================] 4 of 4\n", out.String())
	})
}

func TestRemainingIsNoGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		time.Sleep(10 * time.Second)
		assert.Empty(t, c.remaining(0, 100), "nothing done")
		assert.Empty(t, c.remaining(1, 100), "one per cent done")
		assert.Equal(t, ", 40s left", c.remaining(20, 100))
		assert.Empty(t, c.remaining(100, 100), "all done")
	})
}

func TestPercentStaysWithinBounds(t *testing.T) {
	assert.Zero(t, percent(5, 0))
	assert.Equal(t, 100.0, percent(12, 10))
}

func TestIsTerminal(t *testing.T) {
	assert.False(t, IsTerminal(&bytes.Buffer{}))
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer f.Close()
	assert.False(t, IsTerminal(f))
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	assert.False(t, IsTerminal(null), "a device, but no terminal")
}
