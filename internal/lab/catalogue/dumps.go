package catalogue

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/diff"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// Dump is about writing a dump.
var Dump = rig.Benchmark{
	Name: "dump-vs-json",
	Summary: "reading the largest catalogue, checking it and writing its dump, against reading and writing the same " +
		"JSON with the standard library",
	Run: measureDump,
}

// Diff is about comparing dumps.
var Diff = rig.Benchmark{
	Name: "diff-vs-json",
	Summary: "reading two dumps of the largest catalogue, checking and comparing them, against reading the same JSON " +
		"with the standard library",
	Run: measureDiff,
}

// largestDump returns the largest catalogue, and its dump.
func largestDump(ctx context.Context, r *rig.Rig) (large, []byte, error) {
	c, err := newLarge(ctx, r, slices.Max(r.Sizes.Growth))
	if err != nil {
		return c, nil, err
	}
	s, err := c.CSS.Snapshot(ctx, 0)
	if err != nil {
		return c, nil, err
	}
	var text bytes.Buffer
	err = s.WriteDump(&text, "")
	return c, text.Bytes(), err
}

func measureDump(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	c, text, err := largestDump(ctx, r)
	if err != nil {
		return nil, err
	}
	turns, err := r.Turns(ctx, "dump-vs-json", r.Sizes.GrownRounds,
		func(ctx context.Context, m *measure.Meter) error {
			return m.Time("dump", func() error {
				s, err := c.CSS.Snapshot(ctx, 0)
				if err != nil {
					return err
				}
				if err := s.WriteDump(io.Discard, ""); err != nil {
					return err
				}
				return s.CheckDump()
			})
		},
		func(_ context.Context, m *measure.Meter) error {
			return m.Time("dump", func() error {
				keys, err := readJSON(text)
				if err != nil {
					return err
				}
				return json.NewEncoder(io.Discard).Encode(keys)
			})
		})
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("reading %d keys from etcd, WriteDump and CheckDump; peer: json.Unmarshal of the same dump, "+
		"of %d bytes, into a map, and Encode of that",
		c.Content.Keys, len(text))
	result, err := turns.Figure("dump-vs-json", "ms", versus, measure.Within(2.5), "dump")
	return []measure.Result{result}, err
}

func measureDiff(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	c, text, err := largestDump(ctx, r)
	if err != nil {
		return nil, err
	}
	turns, err := r.Turns(ctx, "diff-vs-json", r.Sizes.GrownRounds,
		func(_ context.Context, m *measure.Meter) error {
			return m.Time("diff", func() error {
				var sides [2][]diff.Pair
				for i := range sides {
					d, err := cssetcd.ParseDump(bytes.NewReader(text))
					if err != nil {
						return err
					}
					sides[i] = diff.Collect(d.All(), d.Len())
				}
				if n := len(diff.Compare(sides[0], sides[1])); n > 0 {
					return fmt.Errorf("%d differences between a dump and itself", n)
				}
				return nil
			})
		},
		func(_ context.Context, m *measure.Meter) error {
			return m.Time("diff", func() error {
				var sides [2]map[string]string
				for i := range sides {
					if sides[i], err = readJSON(text); err != nil {
						return err
					}
				}
				for key, value := range sides[0] {
					if sides[1][key] != value {
						return fmt.Errorf("%s differs between a dump and itself", key)
					}
				}
				return nil
			})
		})
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("ParseDump, twice, of a dump of %d keys and %d bytes, and comparing; peer: json.Unmarshal, "+
		"twice, of the same into maps, and comparing these",
		c.Content.Keys, len(text))
	result, err := turns.Figure("diff-vs-json", "ms", versus, measure.Within(2.5), "diff")
	return []measure.Result{result}, err
}

func readJSON(text []byte) (map[string]string, error) {
	keys := map[string]string{}
	err := json.Unmarshal(text, &keys)
	return keys, err
}
