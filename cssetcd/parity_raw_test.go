package cssetcd_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

func parityRaw(t *testing.T, values ...string) cssetcd.Raw {
	t.Helper()
	raw := csstest.New(t).Raw()
	for i := 0; i < len(values); i += 2 {
		ok(t)(raw.Put(t.Context(), values[i], values[i+1]))
	}
	return raw
}

// rawValue returns what a key holds, or otherwise when it is absent: upstream's get with a default.
func rawValue(t *testing.T, raw cssetcd.Raw, key, otherwise string) string {
	t.Helper()
	e, err := raw.Get(t.Context(), key)
	if err != nil {
		require.ErrorIs(t, err, cssetcd.ErrNoSuchKey)
		return otherwise
	}
	return e.Value
}

func TestParityCreate(t *testing.T) {
	ctx, raw := t.Context(), parityRaw(t)
	ok(t)(raw.Create(ctx, "/new/key", "value"))
	assert.Equal(t, "value", rawValue(t, raw, "/new/key", ""))
	assert.Equal(t, "", rawValue(t, raw, "/new", "absent"), "the key above came with it")
	require.ErrorIs(t, errOf(raw.Create(ctx, "/new/key", "other")), cssetcd.ErrKeyExists)
	require.ErrorIs(t, errOf(raw.Create(ctx, "/new", "other")), cssetcd.ErrKeyExists)
	ok(t)(raw.Create(ctx, `/Robert'); DROP TABLE kvData;--`, "%_\\'\""))
	assert.Equal(t, "%_\\'\"", rawValue(t, raw, `/Robert'); DROP TABLE kvData;--`, ""))
}

func TestParityCreateUnique(t *testing.T) {
	raw := parityRaw(t)
	unique := func(prefix, value string) string {
		key, _, err := raw.CreateUnique(t.Context(), prefix, value)
		require.NoError(t, err)
		return key
	}
	const prefix = "/log/entry_"
	assert.Equal(t, prefix+"0000000001", unique(prefix, "first"))
	assert.Equal(t, "first", rawValue(t, raw, prefix+"0000000001", ""))
	// What is not ten digits does not count.
	for _, other := range []string{"01234567ab", "abcdefghij", "00000000099", "000000099", "", "+000000099"} {
		ok(t)(raw.Create(t.Context(), prefix+other, ""))
	}
	for i := 2; i <= 11; i++ {
		assert.Equal(t, fmt.Sprintf("%s%010d", prefix, i), unique(prefix, ""))
	}
	ok(t)(raw.Create(t.Context(), prefix+"0000001234", ""))
	assert.Equal(t, prefix+"0000001235", unique(prefix, ""))
	assert.Equal(t, "/log/other0000000001", unique("/log/other", ""), "each prefix has its own")
	assert.Equal(t, "/log/sub/0000000001", unique("/log/sub/", ""))
	// As in upstream, deleting the highest lets its number come again.
	ok(t)(raw.Delete(t.Context(), prefix+"0000001235"))
	assert.Equal(t, prefix+"0000001235", unique(prefix, ""))
	// Upstream goes on from a number that has overflowed.
	ok(t)(raw.Create(t.Context(), prefix+"9999999999", ""))
	_, _, err := raw.CreateUnique(t.Context(), prefix, "")
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
}

func TestParitySet(t *testing.T) {
	ctx, raw := t.Context(), parityRaw(t)
	ok(t)(raw.Put(ctx, "/key", "now"))
	assert.Equal(t, "now", rawValue(t, raw, "/key", ""))
	ok(t)(raw.Put(ctx, "/key", "new"))
	assert.Equal(t, "new", rawValue(t, raw, "/key", ""))
	ok(t)(raw.Put(ctx, "/a/long/key", "value"))
	for _, above := range []string{"/a", "/a/long"} {
		assert.Equal(t, "", rawValue(t, raw, above, "absent"))
	}
	ok(t)(raw.Put(ctx, "/a", "kept"))
	ok(t)(raw.Put(ctx, "/a/other", ""))
	assert.Equal(t, "kept", rawValue(t, raw, "/a", ""))
}

func TestParityExists(t *testing.T) {
	raw := parityRaw(t)
	ok(t)(raw.Put(t.Context(), "/Key/below", ""))
	for key, there := range map[string]bool{
		"/Key": true, "/Key/below": true, "/Key/none": false, "/" + strings.Repeat("x", 9999): false,
		"/key": false, // in upstream it is there: kvData folds upper and lower case
	} {
		assert.Equal(t, there, len(must(raw.Many(t.Context(), key))(t)) == 1, key)
	}
}

func TestParityGet(t *testing.T) {
	raw := parityRaw(t, "/key", "value", "/empty", "")
	assert.Equal(t, "value", rawValue(t, raw, "/key", "otherwise"))
	assert.Equal(t, "", rawValue(t, raw, "/empty", "otherwise"))
	assert.Equal(t, "otherwise", rawValue(t, raw, "/none", "otherwise"), "with a default")
	require.ErrorIs(t, errOf(raw.Get(t.Context(), "/none")), cssetcd.ErrNoSuchKey)
	require.ErrorIs(t, errOf(raw.Get(t.Context(), "/Key")), cssetcd.ErrNoSuchKey)
	empty := csstest.New(t).Raw()
	require.ErrorIs(t, errOf(empty.Get(t.Context(), "/key")), cssetcd.ErrVersionMissing, "there is no CSS yet")
}

func TestParityGetMany(t *testing.T) {
	raw := parityRaw(t, "/a", "1", "/b", "", "/c/d", "2")
	found := must(raw.Many(t.Context(), "/a", "/b", "/c/d", "/none", "/A"))(t)
	values := map[string]string{}
	for key, e := range found {
		values[key] = e.Value
	}
	assert.Equal(t, map[string]string{"/a": "1", "/b": "", "/c/d": "2"}, values)
	found = must(raw.Many(t.Context()))(t)
	assert.Empty(t, found)
	require.ErrorIs(t, errOf(raw.Many(t.Context(), "/a", "b")), cssetcd.ErrInvalid)
}

func TestParityGetChildren(t *testing.T) {
	raw := parityRaw(t, "/top/child0", "abc", "/top/child1", "123", "/top/child2/below", "!@#", "/top2", "")
	children := must(raw.Children(t.Context(), "/top"))(t)
	assert.Equal(t, []string{"child0", "child1", "child2"}, slices.Sorted(maps.Keys(children)))
	children = must(raw.Children(t.Context(), "/top/child0"))(t)
	assert.Empty(t, children, "a key without children has none")
	require.ErrorIs(t, errOf(raw.Children(t.Context(), "/none")), cssetcd.ErrNoSuchKey)
}

func TestParityGetChildrenValues(t *testing.T) {
	raw := parityRaw(t, "/top/child0", "abc", "/top/child1", "123", "/top/child2/below", "!@#", "/top/.packed.json",
		`{"x":"y"} `)
	children := must(raw.Children(t.Context(), "/top"))(t)
	values := map[string]string{}
	for name, e := range children {
		values[name] = e.Value
	}
	assert.Equal(t, map[string]string{"child0": "abc", "child1": "123", "child2": "", ".packed.json": `{"x":"y"} `},
		values, "keys as they are")
	s := load(t, parity(t))
	top := map[string]bool{}
	for key := range s.Below("") {
		if strings.Count(key, "/") == 1 {
			top[key] = true
		}
	}
	assert.Equal(t, map[string]bool{"/css_meta": true, "/DBS": true, "/NODES": true, "/PARTITIONING": true}, top,
		"the children of the root, in a snapshot")
}

func TestParityDeleteKey(t *testing.T) {
	ctx, raw := t.Context(), parityRaw(t, "/top/child/a", "a", "/top/child/b", "b", "/top", "root", "/top2", "")
	there := func() []string {
		found := must(raw.Many(ctx, "/top", "/top/child", "/top/child/a", "/top/child/b", "/top2"))(t)
		return slices.Sorted(maps.Keys(found))
	}
	ok(t)(raw.Delete(ctx, "/top/child/a"))
	assert.Equal(t, []string{"/top", "/top/child", "/top/child/b", "/top2"}, there())
	ok(t)(raw.Delete(ctx, "/top"))
	assert.Equal(t, []string{"/top2"}, there(), "with all that lies below, and nothing beside")
	require.ErrorIs(t, errOf(raw.Delete(ctx, "/top")), cssetcd.ErrNoSuchKey)
}

func TestParityDumpKV(t *testing.T) {
	c := csstest.New(t)
	for key, value := range map[string]string{"/top/a": "1/2", "/top/b": "\"\n", "/top2": ""} {
		ok(t)(c.Raw().Put(t.Context(), key, value))
	}
	var all, below bytes.Buffer
	s := load(t, c)
	require.NoError(t, s.WriteDump(&all, ""))
	require.NoError(t, s.WriteDump(&below, "/top"))
	assert.Equal(t, `{
    "\/css_meta": "",
    "\/css_meta\/version": "1",
    "\/top": "",
    "\/top\/a": "1\/2",
    "\/top\/b": "\"\n",
    "\/top2": ""
}
`, all.String())
	assert.Equal(t, `{
    "\/top\/a": "1\/2",
    "\/top\/b": "\"\n"
}
`, below.String(), "what lies below a key, without the key")
	d := must(cssetcd.ParseDump(&all))(t)
	assert.Equal(t, 6, d.Len())
}
