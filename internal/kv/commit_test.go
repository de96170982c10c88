package kv_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

var someTime = time.Date(2026, 7, 14, 9, 5, 3, 40_000_000, time.UTC)

func TestCommitIsOneTokenAndJSON(t *testing.T) {
	for want, c := range map[string]kv.Commit{
		`T {"author":"alice@host","time":"2026-07-14T09:05:03.040Z","name":"create table LSST.Object"}`: {Token: "T",
			Author: "alice@host", Time: someTime, Name: "create table LSST.Object"},
		`T {"author":"<&>","name":"put /DBS \n\u0000 ä"}`: {Token: "T", Author: "<&>", Name: "put /DBS \n\x00 ä"},
		`T {"name":""}`: {Token: "T"},
		`T {"time":"2026-07-14T09:05:03.040Z","name":"x"}`: {Token: "T", Name: "x",
			Time: someTime.Add(999 * time.Microsecond).In(time.FixedZone("", 7200))},
	} {
		assert.Equal(t, want, c.Encode())
		c.Time = c.Time.UTC().Truncate(time.Millisecond)
		assert.Equal(t, c, kv.ParseCommit(want))
	}
}

// What other versions wrote, or somebody with etcdctl.
func TestParseCommit(t *testing.T) {
	for value, want := range map[string]kv.Commit{
		"":                               {},
		"TOKEN":                          {Token: "TOKEN"},
		"TOKEN ":                         {Token: "TOKEN"},
		"TOKEN create table LSST.Object": {Token: "TOKEN", Name: "create table LSST.Object"},
		"TOKEN {":                        {Token: "TOKEN", Name: "{"},
		`TOKEN {"author":"a"} and more`:  {Token: "TOKEN", Name: `{"author":"a"} and more`},
		`TOKEN ["a"]`:                    {Token: "TOKEN", Name: `["a"]`},
		`TOKEN {}`:                       {Token: "TOKEN"},
		"TOKEN put \xff\xfe":             {Token: "TOKEN", Name: "put �"},
		`T {"author":"a","later":[{}],"name":"n"}`:      {Token: "T", Author: "a", Name: "n"},
		`T {"author":7,"time":"yesterday","name":"n"}`:  {Token: "T", Name: "n"},
		`T {"author":"a","name":null}`:                  {Token: "T", Author: "a"},
		`T {"Author":"a","NAME":"n"}`:                   {Token: "T"},
		`T {"author":"a","author":"b","name":"n"}`:      {Token: "T", Author: "b", Name: "n"},
		`T {"time":"2026-07-14T11:05:03.0409+02:00"}`:   {Token: "T", Time: someTime},
		`T {"time":"0000-01-01T00:00:00+23:00"}`:        {Token: "T"},
		`T {"author":"\ud800","name":"\u0007"}`:         {Token: "T", Author: "�", Name: "\a"},
		`T {"name":"` + strings.Repeat("ä", 700) + `"}`: {Token: "T", Name: strings.Repeat("ä", 500)},
		"T " + strings.Repeat("x", 100_000):             {Token: "T", Name: strings.Repeat("x", 1000)},
	} {
		assert.Equal(t, want, kv.ParseCommit(value), "%.80s", value)
	}
}

func FuzzParseCommit(f *testing.F) {
	for _, seed := range []string{"", "T", "T name", "T {", `T {"author":"a","time":"2026-07-14T09:05:03.040Z","name":"n"}`,
		`T {"time":"9999-12-31T23:59:59-01:00"}`, "\xff {\"author\":\"\xff\"}", `T {"name":"\ud800"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c := kv.ParseCommit(value)
		require.True(t, strings.HasPrefix(value, c.Token))
		require.NotContains(t, c.Token, " ")
		require.True(t, utf8.ValidString(c.Author) && utf8.ValidString(c.Name))
		require.LessOrEqual(t, len(c.Author), kv.MaxAuthor)
		require.LessOrEqual(t, len(c.Name), 1000)
		again := c.Encode()
		require.Equal(t, c, kv.ParseCommit(again), "nothing is lost")
		require.True(t, json.Valid([]byte(again[len(c.Token)+1:])), again)
	})
}

func TestCheckAuthor(t *testing.T) {
	for _, good := range []string{"a", "alice@host", "Ångström, group 7", "mysql (mirror a)", strings.Repeat("x", 200)} {
		assert.NoError(t, kv.CheckAuthor(good), good)
	}
	for bad, want := range map[string]string{
		"": "empty", "a\nb": `'\n'`, "\x1b[31m": `'\x1b'`, "a\u202eb": `'\u202e'`, "a\u00a0b": `'\u00a0'`,
		"a\xff": "not UTF-8", " a": "space", "a ": "space", strings.Repeat("x", 201): "201 bytes, and 200 is the most",
	} {
		assert.ErrorContains(t, kv.CheckAuthor(bad), want, "%q", bad)
	}
}

// Whoever writes through a store is told in each of its transactions, with the time at which the operation began; all
// attempts carry one value, by which a lost answer is looked for.
func TestRunSaysWhoWrites(t *testing.T) {
	t.Parallel()
	base := newStore(t)
	st := base.By("alice@host")
	assert.Empty(t, base.Author(), "a store is not changed")
	before := time.Now().UTC().Truncate(time.Millisecond)
	var seen []string
	hooked := kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change, next kvtest.Commit) (*kv.Snapshot,
		error) {
		for _, p := range c.Puts {
			if p.Path == kv.CommitPath {
				seen = append(seen, p.Value)
			}
		}
		if len(seen) < 3 { // another one comes between
			must(kv.Run(ctx, base.By("bob"), increment("k")))(t)
		}
		return next(ctx, c)
	}}
	op := increment("k")
	op.Name = "increment k"
	must(kv.Run(t.Context(), hooked, op))(t)
	require.Len(t, seen, 3, "two attempts were overtaken")
	assert.Equal(t, []string{seen[0], seen[0], seen[0]}, seen)
	c := kv.ParseCommit(kvtest.MustFetch(t, st, kv.Key(kv.CommitPath)).At(kv.CommitPath).Value)
	assert.Equal(t, "alice@host", c.Author)
	assert.Equal(t, "increment k", c.Name)
	assert.False(t, c.Time.Before(before) || c.Time.After(time.Now()), c.Time)
}

// A stage says so in each of its transactions, which have tokens of their own.
func TestStageSaysWhoWrites(t *testing.T) {
	t.Parallel()
	st := newStore(t).By("alice@host")
	tokens := map[string]bool{}
	_, err := kv.RunStage(t.Context(), st, "fill", stageReads, fillStage, func(_ kv.Change, rev kv.Revision) {
		c := kv.ParseCommit(must(st.Fetch(t.Context(), rev, kv.Key(kv.CommitPath)))(t).At(kv.CommitPath).Value)
		assert.Equal(t, "alice@host", c.Author)
		assert.Equal(t, "fill", c.Name)
		assert.False(t, c.Time.IsZero())
		tokens[c.Token] = true
	})
	require.NoError(t, err)
	assert.Len(t, tokens, stageStops)
}
