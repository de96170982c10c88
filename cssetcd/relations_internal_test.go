package cssetcd

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatHasNoTiesIsWhatIsNotReadOfTables(t *testing.T) {
	n := TableName{"LSST", "Object"}
	for _, below := range []string{
		"", "/", "//", "/.packed.json", "/CHUNK", "/CHUNKS", "/CHUNKS/", "/CHUNKS/5/REPLICAS", "/CHUNKS-", "/CHUNKS.",
		"/CHUNKS0", "/CHUNKS00", "/CHUNKSX",
		"/match", "/match/.packed.json", "/match/dirTable1", "/partitioning", "/partitioning/", "/partitioning/dirDb",
		"/partitioning-", "/partitioning0", "/partitioning00",
		"/schema", "/sharedScan/.packed.json", "0", "2", "2/CHUNKS/5", "-/schema",
	} {
		p := cssPath(n.key() + below)
		want, in := untied(n)[0], false
		of, rest, _ := tableOf(p)
		for _, hole := range untied(of) {
			if rest != "" && hole.Contains(p) {
				want, in = hole, true
			}
		}
		got, out := beyondTies(p)
		assert.Equal(t, in, out, p)
		if in {
			assert.Equal(t, want, got, p)
		}
	}
}
