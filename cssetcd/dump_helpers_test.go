package cssetcd_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
)

const minimalDump = `{"/css_meta/version": "1"}`

func parse(t testing.TB, text string) *cssetcd.Dump {
	t.Helper()
	d := must(cssetcd.ParseDump(strings.NewReader(text)))(t)
	return d
}

// smallDump has a bit of everything.
const smallDump = `{
    "/css_meta": "", "/css_meta/version": "1",
    "/DBS": "",
    "/DBS/lsst": "READY", "/DBS/lsst/.packed.json": "{\"partitioningId\":\"0000000001\",\"releaseStatus\":\"RELEASED\",\"storageClass\":\"L2\"} ",
    "/DBS/lsst/TABLES": "",
    "/DBS/lsst/TABLES/Object": "READY", "/DBS/lsst/TABLES/Object/schema": "(a INT)",
    "/DBS/lsst/TABLES/Object/partitioning": "", "/DBS/lsst/TABLES/Object/partitioning/.packed.json": "{\"dirDb\":\"lsst\",\"dirTable\":\"Object\"} ",
    "/DBS/lsst/TABLES/Object/CHUNKS/1/REPLICAS/0000000001/nodeName": "worker-1",
    "/DBS/lsst/TABLES/A": "READY", "/DBS/lsst/TABLES/A/partitioning/dirTable": "Object",
    "/NODES": "", "/NODES/worker-1": "ACTIVE",
    "/PARTITIONING": "", "/PARTITIONING/_0000000001": "", "/PARTITIONING/_0000000001/nStripes": 60
}`

// dumpOf writes keys and values as a dump, by other means than the package's.
func dumpOf(values map[string]string) string {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func valuesOf(d *cssetcd.Dump) map[string]string {
	all := map[string]string{}
	for _, key := range d.Keys() {
		all[key], _ = d.Value(key)
	}
	return all
}

// withAncestors adds the keys that restoring makes.
func withAncestors(values map[string]string) map[string]string {
	all := maps.Clone(values)
	for key := range values {
		for {
			key = key[:strings.LastIndexByte(key, '/')]
			if _, ok := all[key]; ok || key == "" {
				break
			}
			all[key] = ""
		}
	}
	return all
}

var everythingInCSS = csskey.Catalogue
