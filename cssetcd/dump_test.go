package cssetcd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/hashicorp/go-multierror"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

// sharedData returns a file of the sample data that lies beside the repository. It skips the test where there is none.
func sharedData(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "shared", "data", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("the sample data %s does not lie beside the repository", name)
	}
	require.NoError(t, err)
	return text
}

func dump(t testing.TB, s *cssetcd.Snapshot, root string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.WriteDump(&b, root))
	return b.String()
}

func TestWriteDump(t *testing.T) {
	s := snapshotOf(map[string]string{
		"/DBS": "", "/DBS/b": "READY", "/DBS/a": "/\"\\\n\x01é", "/DBS/a/.packed.json": "{\"k\":\"v\"} ", "/DBS/a b": "",
		"/DBS2": "",
	})
	assert.Equal(t, `{
    "\/DBS": "",
    "\/DBS\/a": "\/\"\\\n\u0001é",
    "\/DBS\/a b": "",
    "\/DBS\/a\/.packed.json": "{\"k\":\"v\"} ",
    "\/DBS\/b": "READY",
    "\/DBS2": ""
}
`, dump(t, s, ""), "the form of upstream's dumpKV, in byte order")
	assert.Equal(t, `{
    "\/DBS\/a\/.packed.json": "{\"k\":\"v\"} "
}
`, dump(t, s, "/DBS/a"), "what lies below a key, without the key")
	assert.Equal(t, "{\n}\n", dump(t, s, "/nothing"))
	assert.True(t, json.Valid([]byte(dump(t, s, "/nothing"))))

	t.Run("an error of the writer is returned", func(t *testing.T) {
		require.ErrorIs(t, s.WriteDump(brokenWriter{}, ""), errFault)
	})
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errFault }

// TestDumpOfUpstream: the catalogue of upstream's integration test and the example of its plugin tests are restored
// byte for byte and dumped as they were.
func TestDumpOfUpstream(t *testing.T) {
	for _, name := range []string{"qserv-integration-catalog.json", "qserv-testPlugins.kvmap.json"} {
		t.Run(name, func(t *testing.T) {
			text := sharedData(t, name)
			var want map[string]string
			require.NoError(t, json.Unmarshal(text, &want))
			c := csstest.New(t)
			res := must(c.Restore(t.Context(), parse(t, string(text))))(t)
			assert.Equal(t, want, rows(t, c))
			assert.Equal(t, len(want), res.Keys)
			s := catalogue(t, c, 0)
			once := dump(t, s, "")
			assert.Equal(t, once, dump(t, s, ""), "the same catalogue gives the same bytes")
			var got map[string]string
			require.NoError(t, json.Unmarshal([]byte(once), &got))
			assert.Equal(t, want, got)
			assert.ElementsMatch(t, strings.Split(strings.ReplaceAll(strings.TrimSpace(string(text)), ",\n", "\n"), "\n"),
				strings.Split(strings.ReplaceAll(strings.TrimSpace(once), ",\n", "\n"), "\n"), "line by line, but for the order")

			dbs, tables := 0, 0
			for db, err := range s.Databases() {
				require.NoError(t, err)
				dbs++
				for _, err := range s.Tables(db.Name) {
					require.NoError(t, err)
					tables++
				}
			}
			assert.Equal(t, [2]int{res.Databases, res.Tables}, [2]int{dbs, tables})
			assert.NotZero(t, tables)
			for p, e := range beside(t, c) {
				if strings.HasPrefix(string(p), "fold/") {
					assert.Contains(t, want, e)
				}
			}
		})
	}
}

// TestDumpTakesAnyScalars: numbers, true, false and null as values are their text.
func TestDumpTakesAnyScalars(t *testing.T) {
	d := parse(t, ` {"/b": 1, "/a": true, "/css_meta/version": 1, "/c": null, "/d": -0.50} `)
	assert.Equal(t, []string{"/a", "/b", "/c", "/css_meta/version", "/d"}, d.Keys())
	for key, want := range map[string]string{"/a": "true", "/b": "1", "/c": "null", "/css_meta/version": "1",
		"/d": "-0.50"} {
		got, ok := d.Value(key)
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
	_, ok := d.Value("/x")
	assert.False(t, ok)
	assert.Equal(t, 5, d.Len())
}

// TestDumpThatIsNotTaken: the text as a whole is refused, and the message says where.
func TestDumpThatIsNotTaken(t *testing.T) {
	for _, tt := range []struct{ why, text, message string }{
		{"nothing", ``, "the JSON ends in the middle, after 0 bytes"},
		{"half", `{"/css_meta/version": "1", "/DBS"`, "the JSON ends in the middle"},
		{"half a string", `{"/css_meta/version": "1", "/DB`, "the JSON ends in the middle"},
		{"no end", `{"/css_meta/version": "1"`, "the JSON ends in the middle"},
		{"an array", `[]`, "not a JSON object of keys and values"},
		{"a string", `"x"`, "not a JSON object of keys and values"},
		{"something else", `<html>`, "not JSON, at byte 0"},
		{"nested", `{"/DBS": {"/x": "y"}}`, "key /DBS holds an object or an array, and a dump is flat"},
		{"nested array", `{"/DBS": []}`, "key /DBS holds an object or an array"},
		{"two", `{"/css_meta/version": "1"} {}`, "trailing data after the JSON object"},
		{"garbage behind", `{"/css_meta/version": "1"} x`, "trailing data after the JSON object"},
		{"invalid UTF-8", "{\"/a\": \"é\xff\"}", "byte 10 is not valid UTF-8"},
		{"UTF-16", "\xff\xfe{\x00", "byte 0 is not valid UTF-8"},
		{"what an editor puts in front", "\ufeff" + minimalDump, "begins with a UTF-8 byte order mark"},
		{"NUL in a key", `{"/css_meta/version":"1","/a\u0000b":""}`, `key "/a\x00b": byte 2 is NUL`},
		{"NUL in a value", `{"/css_meta/version":"1","/a":"x\u0000y"}`, `bad value: /a: byte 1 is NUL`},
		{"half a character in a key", `{"/css_meta/version":"1","/a\ude00":""}`, "half of a surrogate pair"},
		{"half a character in front", `{"/css_meta/version":"1","/a":"\ud83dx"}`, "half of a surrogate pair"},
		{"two halves in the wrong order", `{"/css_meta/version":"1","/a":"\ude00\ud83d"}`, "half of a surrogate pair"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			d, err := cssetcd.ParseDump(strings.NewReader(tt.text))
			assert.Nil(t, d)
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			assert.ErrorContains(t, err, "css: read dump: invalid: ")
			assert.ErrorContains(t, err, tt.message)
		})
	}
	t.Run("a backslash that is escaped begins no escape", func(t *testing.T) {
		parse(t, `{"/css_meta/version":"1","/a":"\\ud83d \u672c"}`)
	})
	t.Run("an error of the reader is not one of the dump", func(t *testing.T) {
		_, err := cssetcd.ParseDump(iotest.ErrReader(io.ErrClosedPipe))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.NotErrorIs(t, err, cssetcd.ErrInvalid)
	})
}

// TestDumpFaultsAreReportedTogether: each kind of fault, all of them in one error, nothing else.
func TestDumpFaultsAreReportedTogether(t *testing.T) {
	text := `{
		"/css_meta/version": "2",
		"no slash": "x", "/a//b": "x", "/end/": "x", "/space /x": "x",
		"/` + strings.Repeat("k", 255) + `": "x", "/😀": "x", "": "x",
		"/long": "` + strings.Repeat("v", 65_536) + `", "/emoji": "😀",
		"/twice": "1", "/twice": "2",
		"/DBS/lsst/TABLES/t/partitioning/.packed.json": "{", "/DBS/lsst/.packed.json": "{\"a\":{}}",
		"/DBS/LSST/TABLES/x": "READY", "/q/e": "", "/q/E": "", "/Q/f": "",
		"/DBS/a.b": "READY", "/DBS/lsst/TABLES/é": "READY", "/DBS/ in/TABLES/x.y/schema": "()",
		"/NODES/` + strings.Repeat("n", 65) + `": "ACTIVE",
		"/half": "\ud83d"
	}`
	_, err := cssetcd.ParseDump(strings.NewReader(text))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	require.ErrorIs(t, err, cssetcd.ErrInvalidName)
	require.ErrorIs(t, err, cssetcd.ErrBadValue)
	require.ErrorIs(t, err, cssetcd.ErrVersionMismatch)
	lines := strings.Split(err.Error(), "\n")
	want := []string{
		`duplicate key /twice`,
		`half of a surrogate pair`,
		`key "no slash": must begin with a slash`,
		`key "": must begin with a slash`,
		`key "/a//b": has an empty part`,
		`key "/end/": has an empty part`,
		`key "/space /x": a part of it ends with a space`,
		`has 256 bytes and may have 255`,
		`key "/😀": '😀' at byte 1 takes 4 bytes`,
		`bad value: /long: has 65536 bytes and may have 65535`,
		`bad value: /emoji: '😀' at byte 0 takes 4 bytes`,
		`bad value: /DBS/lsst/TABLES/t/partitioning/.packed.json: not JSON`,
		`bad value: /DBS/lsst/.packed.json: member "a" is an object or an array`,
		`keys /DBS/LSST and /DBS/lsst differ in case only`,
		`keys /Q and /q differ in case only`,
		`key /DBS/a.b: invalid name: database "a.b": a dot`,
		`key /DBS/lsst/TABLES/é: invalid name: table "é": has a character that is not printable ASCII`,
		`key /DBS/ in: invalid name: database " in": begins or ends with a space`,
		`key /DBS/ in/TABLES/x.y: invalid name: table "x.y": a dot`,
		`longer than 64 characters`,
		`the CSS has version "2" and this program reads version "1"`,
	}
	// What lies below a key that is spelled in two ways is not repeated: /q/E against /q/e is not reported beside /Q
	// against /q.
	for _, w := range want {
		assert.True(t, slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, w) }), w)
	}
	assert.Equal(t, fmt.Sprintf("css: read dump: invalid: %d faults:", len(want)), lines[0], err)
	assert.Len(t, lines, len(want)+1)

	t.Run("a single fault stands in one line", func(t *testing.T) {
		_, err := cssetcd.ParseDump(strings.NewReader(`{"/DBS": ""}`))
		require.ErrorIs(t, err, cssetcd.ErrVersionMissing)
		assert.EqualError(t, err, "css: read dump: invalid: there is no CSS here: /css_meta/version is missing")
	})
	t.Run("names that differ in case only, in the same place", func(t *testing.T) {
		_, err := cssetcd.ParseDump(strings.NewReader(`{"/css_meta/version": "1", "/q/e": "", "/q/E": ""}`))
		assert.EqualError(t, err, "css: read dump: invalid: keys /q/E and /q/e differ in case only")
	})
}

func FuzzDump(f *testing.F) {
	for _, seed := range []string{
		"", "{}", minimalDump, smallDump, `{"/css_meta/version": 1, "/a": null}`,
		`{"/css_meta/version": "1", "/DBS/x/y": "", "/DBS/X/z": ""}`,
		`{"/css_meta": "T", "/css_meta/version": "1"}`, `{"/css_meta/version": "1", "/a": "\ud83d"}`,
		`{"/css_meta/version": "1"} {`, `{"/css_meta/version": "1", "": "", "/": "", "a": ""}`,
		`{"/css_meta/version": "1", "/DBS/x/.packed.json": "{", "/a": {"b": 1}}`,
		"{\"/css_meta/version\": \"1\", \"/a\": \"\xff\"}",
		`{"/css_meta/version": "1", "/DBS/a/TABLES/.packed.json": "{}", "/NODES/.packed.json": ""}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := cssetcd.ParseDump(strings.NewReader(text))
		if err != nil {
			if err.Error() == "" || !errors.Is(err, cssetcd.ErrInvalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		c := emptyStore()
		if _, err := c.Restore(t.Context(), d, cssetcd.WithPendingDrops()); err != nil {
			t.Fatalf("%q was read and not restored: %v", text, err)
		}
		s, err := c.Store().Fetch(t.Context(), 0, everythingInCSS)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range d.Keys() {
			want, _ := d.Value(key)
			if e, ok := cssetcd.CatalogueOf(s).Key(key); !ok || e.Value != want || !utf8.ValidString(want) {
				t.Fatalf("%q: %q is %q and should be %q", text, key, e.Value, want)
			}
		}
		var out bytes.Buffer
		if err := cssetcd.CatalogueOf(s).WriteDump(&out, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := cssetcd.ParseDump(&out); err != nil {
			t.Fatalf("%q was dumped and not read: %v", text, err)
		}
	})
}

// TestManyFaultsAreCountedAndNotAllShown: a text of a hundred says what is wrong, and the error has all of them.
func TestManyFaultsAreCountedAndNotAllShown(t *testing.T) {
	values := map[string]string{"/css_meta/version": "1"}
	for i := range 10_000 {
		values[fmt.Sprintf("/DBS/a.%06d", i)] = "READY"
	}
	_, err := cssetcd.ParseDump(strings.NewReader(dumpOf(values)))
	require.ErrorIs(t, err, cssetcd.ErrInvalidName)
	lines := strings.Split(err.Error(), "\n")
	assert.Len(t, lines, 102)
	assert.Contains(t, lines[0], "10000 faults:")
	assert.Contains(t, lines[100], "/DBS/a.000099")
	assert.Equal(t, "  and 9900 more", lines[101])
	var faults *multierror.Error
	require.ErrorAs(t, err, &faults)
	assert.Len(t, faults.Errors, 10_000)
}

// TestCheckDump: a snapshot that has what the library would never have written tells it; the dump of any other can be
// restored.
func TestCheckDump(t *testing.T) {
	c := newCatalogue(t)
	require.NoError(t, catalogue(t, c, 0).CheckDump())
	putKeys(t, c, map[string]string{"/DBS/odd.db": "READY", "/DBS/LSST": "READY", "/NODES/w/.packed.json": "{"})
	s := catalogue(t, c, 0)
	err := s.CheckDump()
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	require.ErrorIs(t, err, cssetcd.ErrInvalidName)
	require.ErrorIs(t, err, cssetcd.ErrBadValue)
	assert.ErrorContains(t, err, "keys /DBS/LSST and /DBS/lsst differ in case only")
	_, parsed := cssetcd.ParseDump(strings.NewReader(dump(t, s, "")))
	require.Error(t, parsed)
	assert.Equal(t, errors.Unwrap(parsed).Error(), errors.Unwrap(err).Error(), "what reading the dump says")
}

func TestSnapshotOfNoRevision(t *testing.T) {
	_, err := newCatalogue(t).Snapshot(t.Context(), -5)
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	assert.ErrorContains(t, err, "revision -5: revisions begin at 1")
}
