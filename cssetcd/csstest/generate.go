package csstest

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// names differ in more than case, so that any two may stand beside each other. Some sort around the slash that follows
// a name.
var names = []string{"a", "a b", "a!", "a0", "b", "lsst", "Object", "x_y", strings.Repeat("n", 64)}

var (
	name     = rapid.SampledFrom(names)
	statuses = rapid.SampledFrom([]string{"READY", "READY", "READY", "DO_NOT_USE", "PENDING_DROP:x", "PENDING_CREATE:x",
		"FAILED:x", "", "other"})
	values = rapid.OneOf(
		rapid.SampledFrom([]string{"", "1", "0.5", "/", "\"\\\n\x01", "é日", "a ", "READY"}),
		rapid.String().Filter(fits),
	)
	nodes = rapid.SampledFrom([]string{"worker-1", "worker-2", "worker.3"})
)

func fits(s string) bool {
	return len(s) <= 1000 && !strings.ContainsFunc(s, func(r rune) bool { return r == 0 || r > 0xffff })
}

// Catalogue draws the keys and values of a catalogue that keeps all rules: databases and tables of every shape, in
// packed and plain form, some of them without the keys above them, nodes, chunks, and keys that mean nothing. There may
// be pending drops.
func Catalogue() *rapid.Generator[map[string]string] {
	return rapid.Custom(func(t *rapid.T) map[string]string {
		c := map[string]string{"/css_meta/version": "1"}
		for range rapid.IntRange(0, 3).Draw(t, "databases") {
			drawDatabase(t, c, "/DBS/"+name.Draw(t, "database"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "nodes") {
			c["/NODES/"+nodes.Draw(t, "node")] = "ACTIVE"
		}
		for id := range rapid.IntRange(0, 2).Draw(t, "partitionings") {
			c[fmt.Sprintf("/PARTITIONING/_%010d/.packed.json",
				id+1)] = `{"nStripes":"85","nSubStripes":"12","overlap":"0.016670"} `
		}
		for range rapid.IntRange(0, 2).Draw(t, "other keys") {
			c["/other/"+name.Draw(t, "other")] = values.Draw(t, "value")
		}
		return c
	})
}

func drawDatabase(t *rapid.T, c map[string]string, key string) {
	if rapid.IntRange(0, 9).Draw(t, "status left out") > 0 {
		c[key] = statuses.Draw(t, "status")
	}
	c[key+"/.packed.json"] = `{"partitioningId":"0000000001","releaseStatus":"RELEASED","storageClass":"L2"} `
	for range rapid.IntRange(0, 4).Draw(t, "tables") {
		drawTable(t, c, key+"/TABLES/"+name.Draw(t, "table"))
	}
}

func drawTable(t *rapid.T, c map[string]string, key string) {
	c[key] = statuses.Draw(t, "status")
	if rapid.Bool().Draw(t, "schema") {
		c[key+"/schema"] = values.Draw(t, "schema text")
	}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 1:
		c[key+"/partitioning"] = ""
		c[key+"/partitioning/.packed.json"] = fmt.Sprintf(`{"dirDb":"lsst","dirTable":"%s","subChunks":"1"} `,
			name.Draw(t, "director"))
	case 2:
		c[key+"/partitioning/dirTable"] = name.Draw(t, "director")
	case 3:
		c[key+"/match"] = "1"
		c[key+"/match/.packed.json"] = `{"angSep":"0.1","dirTable1":"lsst.Object"} `
	}
	for id := range rapid.IntRange(0, 3).Draw(t, "chunks") {
		for r := range rapid.IntRange(1, 2).Draw(t, "replicas") {
			replica := fmt.Sprintf("%s/CHUNKS/%d/REPLICAS/%010d", key, id, r+1)
			c[replica+"/.packed.json"] = fmt.Sprintf(`{"nodeName":"%s"} `, nodes.Draw(t, "replica's node"))
		}
	}
}
