package history_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/history"
	"github.com/qserv/css-etcd/internal/kv"
)

const now = 9

// deltas reads "+PATH=VALUE", "-PATH=OLD", "PATH=VALUE<OLD" and "?PATH=VALUE": put, with an old value that was
// compacted.
func deltas(texts ...string) (all []kv.Delta) {
	for _, text := range texts {
		path, values, _ := strings.Cut(text[1:], "=")
		value, old, _ := strings.Cut(values, "<")
		d := kv.Delta{Path: kv.Path(path)}
		switch text[0] {
		case '+':
			d.New = kv.Entry{Value: value, Create: now, Mod: now}
		case '-':
			d.Old = kv.Entry{Value: value, Create: 3, Mod: 4}
		case '~':
			d.Old, d.New = kv.Entry{Value: old, Create: 3, Mod: 4}, kv.Entry{Value: value, Create: 3, Mod: now}
		case '?':
			d.New = kv.Entry{Value: value, Create: 3, Mod: now}
		case '!': // deleted, and the old value was compacted
		default:
			panic(text)
		}
		all = append(all, d)
	}
	return all
}

const object = "css/DBS/lsst/TABLES/Object"

func chunkKeys(sign string, ids ...int) (all []string) {
	for _, id := range ids {
		chunk := fmt.Sprintf("%s%s/CHUNKS/%d", sign, object, id)
		all = append(all, chunk+"/REPLICAS=", chunk+"/REPLICAS/0000000001=", chunk+"=",
			chunk+`/REPLICAS/0000000001/.packed.json={"nodeName":"w"}`)
	}
	return all
}

func TestChangesInWords(t *testing.T) {
	for name, c := range map[string]struct {
		keys []string
		want []string
	}{
		"nothing": {},
		"upkeep alone": {keys: []string{"~alive/c={}<{}", "~ref/w=<", "+drop/ack/5/c=", "-drop/hold/lsst/Object=",
			"-drop/later/lsst=", "~mirror/m={}<{}", "+mirror/m/77=", "+coordinator/77=", "+fold/dbs/x=/DBS/X", "~fence=b<a",
			"+last/PARTITIONING=7", "+publisher/w/77=", "+inventory/w={}", "~inventory/w/lsst=1-3<1", "-inventory/w/x=1"}},
		"a table comes": {[]string{"+" + object + "=READY", "+" + object + "/schema=(a INT)", "+" + object + "/partitioning=",
			"+css/DBS/lsst/TABLES="}, []string{"table lsst.Object created"}},
		"a table comes unfinished, with chunks": {append(chunkKeys("+", 1, 2), "+"+object+"=DO_NOT_USE",
			"+"+object+"/CHUNKS="),
			[]string{"table lsst.Object created, DO_NOT_USE, with 2 chunks"}},
		"a table goes": {append(chunkKeys("-", 1), "-"+object+"=READY", "-"+object+"/schema=(a INT)"),
			[]string{"table lsst.Object removed, with 1 chunk"}},
		"a table goes whose status was compacted": {[]string{"!" + object}, []string{"table lsst.Object removed"}},
		"chunks": {append(append(chunkKeys("+", 1, 2, 3), chunkKeys("-", 4)...),
			"+"+object+"/CHUNKS/7/REPLICAS/0000000002=", "-"+object+"/CHUNKS/7/REPLICAS/0000000001="), []string{
			"3 chunks of lsst.Object added", "1 chunk of lsst.Object removed", "places of 1 chunk of lsst.Object changed"}},
		"status": {[]string{"~" + object + "=PENDING_DROP:<READY"},
			[]string{"status of table lsst.Object: READY -> PENDING_DROP:"}},
		"the same again": {[]string{"~" + object + "=READY<READY"},
			[]string{"status of table lsst.Object written again: READY"}},
		"status, old gone": {[]string{"?" + object + "=READY"}, []string{"status of table lsst.Object: READY"}},
		"hostile":          {[]string{"~css/DBS/a\n/TABLES/b=\x1b<x"}, []string{`status of table "a\n.b": x -> "\x1b"`}},
		"what a table has": {[]string{"~" + object + "/schema=b<a", "~" + object + "/partitioning/.packed.json={}<{}",
			"+" + object + "/partitioning/overlap=1", "~" + object + "/sharedScan/.packed.json={}<{}",
			"-" + object + "/match/dirTable1=x", "+" + object + "/comment=hi", "+" + object + "/schema/below=x"}, []string{
			"schema of table lsst.Object changed", "partitioning of table lsst.Object changed",
			"shared scan of table lsst.Object changed", "match parameters of table lsst.Object changed",
			`created  /DBS/lsst/TABLES/Object/comment = "hi"`, `created  /DBS/lsst/TABLES/Object/schema/below = "x"`}},
		"a database comes": {[]string{"+css/DBS=", "+css/DBS/lsst=READY", "+css/DBS/lsst/.packed.json={}",
			"+css/PARTITIONING/_0000000012="}, []string{"database lsst created", "partitioning 12 created"}},
		"a database goes with its tables": {[]string{"-" + object + "=READY", "-css/DBS/lsst=READY",
			"-css/DBS/lsst/TABLES/Source=READY", "-css/DBS/other/TABLES/T=READY"},
			[]string{"database lsst removed, with 2 tables", "table other.T removed"}},
		"a database": {[]string{"~css/DBS/lsst=DO_NOT_USE<READY", "~css/DBS/lsst/.packed.json={}<{}"},
			[]string{"status of database lsst: READY -> DO_NOT_USE", "properties of database lsst changed"}},
		"nodes": {[]string{"+css/NODES/a=ACTIVE", "-css/NODES/b=ACTIVE", "~css/NODES/c=INACTIVE<ACTIVE",
			"~css/NODES/d/.packed.json={}<{}"}, []string{"node a created", "node b removed",
			"state of node c: ACTIVE -> INACTIVE", "properties of node d changed"}},
		"only what holds others": {[]string{"+css/DBS="}, []string{`created  /DBS = ""`}},
		"a stranger": {[]string{"+stray=x", "?stray2=x", "!stray3", "+css=x", "~cssx=" + strings.Repeat("é", 70) + "<"},
			[]string{`created  stray = "x"`, `changed  stray2 = "x"`, "deleted  stray3", `created  css = "x"`,
				`changed  cssx = "` + strings.Repeat("é", 57) + `...", was ""`}},
		"drops": {[]string{"+drop/table/lsst/Object={}", "~drop/db/lsst={}<{}", "-drop/table/lsst/Source={}",
			"+drop/request/lsst/T={}", "-drop/request/lsst={}"}, []string{"drop of lsst.Object begun", "drop of lsst went on",
			"drop of lsst.Source ended", "drop of lsst.T requested for later", "request to drop lsst removed"}},
		"beside": {[]string{"+config={}", "~history=b<a", "+czar/c={}", "~czar/d={}<{}", "-czar/e={}", "+inbox/m={}",
			"-inbox/n={}", "+import/m=1"}, []string{"settings of drops made", "history of etcd named anew", "czar c registered",
			"czar d told that its registration ends", "czar e no longer registered", "mirror m: both sides write",
			"mirror n: etcd alone is written", "import or export of mirror m begun"}},
	} {
		t.Run(name, func(t *testing.T) {
			e, ok := history.Of(now, deltas(c.keys...), history.Wanted{})
			assert.Equal(t, c.want, e.Changes)
			assert.Equal(t, len(c.want) > 0, ok)
		})
	}
}

func TestWhoWrote(t *testing.T) {
	commit := `+commit=T {"author":"alice","time":"2026-07-14T09:05:03.040Z","name":"n"}`
	for keys, want := range map[string]string{
		"+css/DBS/x=READY":                                "",
		"+css/DBS/x=READY|+commit=TOKEN":                  "signed",
		commit + "|+css/DBS/x=READY":                      "signed alice 2026-07-14T09:05:03.04Z n",
		commit + "|~drop/table/a/b={}<{}":                 "signed alice 2026-07-14T09:05:03.04Z n",
		"-css/DBS/a/TABLES/b=READY|~drop/table/a/b={}<{}": "coordinator",
		"+czar/c={}":                   "czar c",
		"+alive/c={}|+czar/c={}":       "czar c",
		"~mirror/m={}<{}":              "mirror",
		"+coordinator/7=":              "coordinator",
		"+publisher/w/7=":              "worker w",
		"~inventory/w/lsst=1-3<1":      "worker w",
		"-commit=T n|-css/DBS/x=READY": "",
		"-drop/table/a/b={}|-drop/ack/5/c=|-fold/dbs/a=/x": "coordinator",
	} {
		e, _ := history.Of(now, deltas(strings.Split(keys, "|")...), history.Wanted{Upkeep: true})
		var got []string
		if e.Signed {
			got = append(got, "signed")
		}
		if e.Author != "" {
			got = append(got, e.Author)
		}
		if !e.Time.IsZero() {
			got = append(got, e.Time.Format(time.RFC3339Nano), e.Operation)
		}
		assert.Equal(t, want, strings.Join(got, " "), keys)
	}
}

func TestWhatIsWanted(t *testing.T) {
	all := deltas("~css/DBS/lsst=DO_NOT_USE<READY", "~"+object+"=DO_NOT_USE<READY",
		"~css/DBS/lsst/TABLES/Object2=DO_NOT_USE<READY",
		"+drop/table/lsst/Object={}", "+drop/db/lsst={}", "~css/DBS/lsst2=DO_NOT_USE<READY", "+css/NODES/lsst=ACTIVE",
		"~alive/c={}<{}", "+commit=T n")
	count := func(w history.Wanted) int {
		e, ok := history.Of(now, all, w)
		assert.Equal(t, len(e.Changes) > 0, ok)
		assert.True(t, e.Signed, "what is left out is still looked at")
		return len(e.Changes)
	}
	assert.Equal(t, 7, count(history.Wanted{}))
	assert.Equal(t, 8, count(history.Wanted{Upkeep: true}))
	assert.Equal(t, 5, count(history.Wanted{DB: "lsst"}))
	assert.Equal(t, 2, count(history.Wanted{DB: "lsst", Table: "Object"}))
	assert.Equal(t, 0, count(history.Wanted{DB: "LSST"}))

	e, ok := history.Of(now, deltas("-css/DBS/lsst=READY", "-"+object+"=READY"),
		history.Wanted{DB: "lsst", Table: "Object"})
	require.True(t, ok, "it went with its database")
	assert.Equal(t, []string{"table lsst.Object removed"}, e.Changes)
}

// Whatever bytes etcd holds, what is told can be printed.
func FuzzChangesCanBePrinted(f *testing.F) {
	f.Add("css/DBS/a/TABLES/b/CHUNKS/x", "\x1b", "T {\"author\":\"a\"}", uint8(0))
	f.Add("drop/table/a\n/b", "", "", uint8(1))
	f.Fuzz(func(t *testing.T, path, value, commit string, sign uint8) {
		d := kv.Delta{Path: kv.Path(path)}
		if sign%3 != 0 {
			d.Old = kv.Entry{Value: value, Create: 3, Mod: 4}
		}
		if sign%3 != 1 {
			d.New = kv.Entry{Value: commit + value, Create: 3, Mod: now}
		}
		c := kv.Delta{Path: kv.CommitPath, New: kv.Entry{Value: commit, Create: 3, Mod: now}}
		e, _ := history.Of(now, []kv.Delta{d, c}, history.Wanted{Upkeep: true})
		for _, text := range e.Changes {
			require.NotContains(t, text, "\x1b")
			require.NotContains(t, text, "\n")
		}
	})
}
