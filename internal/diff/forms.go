package diff

import (
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/packed"
)

// byKey returns keys and values in byte order.
func byKey(keys map[string]string) []Pair {
	all := Collect(maps.All(keys), len(keys))
	slices.SortFunc(all, func(a, b Pair) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// byName is the reverse of byKey.
func byName(pairs []Pair) map[string]string {
	keys := make(map[string]string, len(pairs))
	for _, p := range pairs {
		keys[p.Key] = p.Value
	}
	return keys
}

// image returns the rows that kvData has for a catalogue, without the root: its keys, their ancestors, and two that are
// always there. What it says of empty chunks stays: that has tables beside kvData.
func image(keys map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, keys)
	delete(out, "")
	addAncestors(out, "/DBS/", "/NODES/")
	for key := range maps.Clone(out) {
		addAncestors(out, key)
	}
	return out
}

// withoutUnknownSets leaves out which chunks are empty of databases of which another side does not say it: a mirror
// leaves such tables alone, and dumps of kvData never say it.
func withoutUnknownSets(pairs, other []Pair) []Pair {
	known := byName(other)
	return slices.DeleteFunc(slices.Clone(pairs), func(p Pair) bool {
		_, ok := known[p.Key]
		return !ok && strings.HasPrefix(p.Key, string(csskey.Empty)+"/")
	})
}

// addAncestors adds what is missing above keys, with an empty value.
func addAncestors(all map[string]string, keys ...string) {
	for _, key := range keys {
		if !strings.HasPrefix(key, "/") { // which chunks are empty
			continue
		}
		for i := strings.LastIndexByte(key, '/'); i > 0; i = strings.LastIndexByte(key[:i], '/') {
			if _, ok := all[key[:i]]; !ok {
				all[key[:i]] = ""
			}
		}
	}
}

// Meaning brings catalogues that read alike to one form: members of packed keys stand as keys, where a plain key wins;
// numbers are in their shortest form; ancestors are there. A packed key that cannot be read stays as it is.
func Meaning(keys map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range keys {
		parent, isPacked := csskey.CutPacked(key)
		var p packed.Object
		var err error
		if isPacked {
			p, err = packed.Parse(value)
		}
		if !isPacked || err != nil {
			out[key] = shortest(key, value)
			continue
		}
		for name, value := range p.Members {
			member := parent + "/" + name
			if _, plain := keys[member]; !plain && csskey.IsLastPart(name) {
				out[member] = shortest(member, value)
			}
		}
	}
	for key := range keys {
		addAncestors(out, key)
	}
	return out
}

// numeric are the keys that Qserv reads as numbers.
var numeric = []string{
	"/PARTITIONING/*/nStripes", "/PARTITIONING/*/nSubStripes", "/PARTITIONING/*/overlap",
	"/DBS/*/TABLES/*/partitioning/overlap", "/DBS/*/TABLES/*/partitioning/subChunks",
	"/DBS/*/TABLES/*/match/angSep",
	"/DBS/*/TABLES/*/sharedScan/lockInMem", "/DBS/*/TABLES/*/sharedScan/scanRating",
	"/NODES/*/port",
}

// shortest writes a number in the shortest form that reads equal, and leaves everything else as it is.
func shortest(key, value string) string {
	isNumeric := slices.ContainsFunc(numeric, func(pattern string) bool {
		ok, err := path.Match(pattern, key)
		return ok && err == nil
	})
	f, err := strconv.ParseFloat(value, 64)
	if !isNumeric || err != nil || strings.ContainsAny(value, "_xX") || math.IsInf(f, 0) || math.IsNaN(f) {
		return value
	}
	return strconv.FormatFloat(f+0, 'g', -1, 64) // +0: and not -0
}
