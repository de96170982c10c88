package plan_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

// image is a catalogue in a sorted list.
type image struct {
	keys    []string
	entries map[string]cssetcd.Entry
}

func imageOf(entries map[string]cssetcd.Entry) *image {
	return &image{slices.Sorted(maps.Keys(entries)), maps.Clone(entries)}
}

func (im *image) Key(key string) (cssetcd.Entry, bool) {
	if !strings.HasPrefix(key, "/") {
		panic(fmt.Sprintf("an image was asked for %q, which is no CSS key", key))
	}
	e, ok := im.entries[key]
	return e, ok
}

func (im *image) Below(key string) iter.Seq2[string, cssetcd.Entry] {
	return func(yield func(string, cssetcd.Entry) bool) {
		for i := sort.SearchStrings(im.keys, key+"/"); i < len(im.keys) && strings.HasPrefix(im.keys[i], key+"/"); i++ {
			if !yield(im.keys[i], im.entries[im.keys[i]]) {
				return
			}
		}
	}
}

// catalogue makes an image of keys and values; create and mod revisions follow the order of the arguments.
func catalogue(keysAndValues ...string) *image {
	entries := map[string]cssetcd.Entry{}
	for i := 0; i < len(keysAndValues); i += 2 {
		rev := cssetcd.Revision(i/2 + 1)
		entries[keysAndValues[i]] = cssetcd.Entry{Value: keysAndValues[i+1], Create: rev, Mod: rev}
	}
	return imageOf(entries)
}

// weights are those of a small collation: á and Á weigh as A.
var weights = func() *plan.Weights {
	w, err := plan.NewWeights(weightOf)
	if err != nil {
		panic(err)
	}
	return w
}()

func weightOf(r rune) uint16 {
	switch {
	case 'a' <= r && r <= 'z':
		return uint16(r - 'a' + 'A')
	case r == 'á' || r == 'Á':
		return 'A'
	}
	return uint16(r)
}

// columns says in the plainest way what a kind of table holds.
type columns struct {
	*plan.Columns
	fold         func(key string) string // which keys the unique index takes for the same
	fault        func(key string) plan.Reason
	faultOfValue func(value string) plan.Reason
}

// qserv is the table as Qserv makes it.
var qserv = columns{
	plan.QservColumns(weights),
	func(key string) string { return foldRunes(strings.TrimRight(key, " ")) },
	func(key string) plan.Reason {
		switch {
		case len(key) > 255:
			return plan.KeyTooLong
		case !utf8.ValidString(key) || strings.ContainsFunc(key, fourBytes):
			return plan.KeyEncoding
		case malformed(key):
			return plan.KeyMalformed
		case strings.HasSuffix(key, " "):
			return plan.KeyTrailingSpace
		}
		return ""
	},
	func(v string) plan.Reason {
		switch {
		case len(v) > 65_535:
			return plan.ValueTooLong
		case !utf8.ValidString(v) || strings.ContainsFunc(v, fourBytes):
			return plan.ValueEncoding
		}
		return ""
	},
}

// kinds are the tables that a mirror takes: Qserv's, and wider ones.
var kinds = map[string]columns{
	"qserv": qserv,
	"VARCHAR and MEDIUMTEXT in utf8mb4": {
		&plan.Columns{MaxKey: 300, MaxValue: 1 << 20, Key: plan.FourBytes, Value: plan.FourBytes, Spaces: plan.SpacesIgnored,
			Weights: weights},
		func(key string) string { return foldRunes(strings.TrimRight(key, " ")) },
		func(key string) plan.Reason {
			switch {
			case len(key) > 300:
				return plan.KeyTooLong
			case !utf8.ValidString(key):
				return plan.KeyEncoding
			case malformed(key):
				return plan.KeyMalformed
			}
			return ""
		},
		faultOfUTF8,
	},
	"VARBINARY": {
		&plan.Columns{MaxKey: 255, MaxValue: 1 << 20, Key: plan.AnyBytes, Value: plan.FourBytes, Spaces: plan.SpacesKept,
			Exact: true},
		func(key string) string { return key },
		func(key string) plan.Reason {
			switch {
			case len(key) > 255:
				return plan.KeyTooLong
			case malformed(key):
				return plan.KeyMalformed
			}
			return ""
		},
		faultOfUTF8,
	},
}

func fourBytes(r rune) bool { return r > 0xFFFF }

func malformed(key string) bool { return strings.Contains(key, "//") || strings.HasSuffix(key, "/") }

func foldRunes(key string) string {
	var out []rune
	for _, r := range key {
		if fourBytes(r) {
			r = utf8.RuneError
		}
		out = append(out, rune(weightOf(r)))
	}
	return string(out)
}

func faultOfUTF8(v string) plan.Reason {
	switch {
	case len(v) > 1<<20:
		return plan.ValueTooLong
	case !utf8.ValidString(v):
		return plan.ValueEncoding
	}
	return ""
}

// expected says by brute force what the table and the quarantine hold for a catalogue.
func (c columns) expected(im *image) (rows map[string]string, quarantine map[string]plan.Reason) {
	rows, quarantine = map[string]string{}, map[string]plan.Reason{}
	pinned := map[string]bool{"": true, "/DBS": true, "/NODES": true}
	nodes := maps.Clone(pinned)
	for key := range im.entries {
		nodes[key] = true
		for i := range key {
			if key[i] == '/' && c.fault(key[:i]) == "" {
				nodes[key[:i]] = true
			}
		}
	}
	byLength := slices.SortedFunc(maps.Keys(nodes), func(a, b string) int {
		return strings.Count(a, "/") - strings.Count(b, "/")
	})
	for len(byLength) > 0 { // one level after the other
		depth := strings.Count(byLength[0], "/")
		rivals := map[string][]string{}
		for len(byLength) > 0 && strings.Count(byLength[0], "/") == depth {
			key := byLength[0]
			byLength = byLength[1:]
			value := im.entries[key].Value
			reason := c.fault(key)
			if reason == "" {
				reason = c.faultOfValue(value)
			}
			if reason == "" && key != "" {
				if _, ok := rows[key[:strings.LastIndex(key, "/")]]; !ok {
					reason = plan.ParentMissing
				}
			}
			switch {
			case reason == "" || pinned[key]:
				rivals[c.fold(key)] = append(rivals[c.fold(key)], key)
				if reason != "" {
					quarantine[key] = reason
				}
			default:
				quarantine[key] = reason
			}
		}
		for _, keys := range rivals {
			slices.SortFunc(keys, func(a, b string) int {
				switch {
				case pinned[a]:
					return -1
				case pinned[b]:
					return 1
				case birth(im, a) != birth(im, b):
					return int(birth(im, a) - birth(im, b))
				}
				return strings.Compare(a, b)
			})
			rows[keys[0]] = im.entries[keys[0]].Value
			if quarantine[keys[0]] != "" {
				rows[keys[0]] = ""
			}
			for _, key := range keys[1:] {
				quarantine[key] = plan.KeyCollision
			}
		}
	}
	return rows, quarantine
}

func birth(im *image, key string) cssetcd.Revision {
	if e, ok := im.entries[key]; ok {
		return e.Create
	}
	for _, k := range im.keys {
		if strings.HasPrefix(k, key+"/") {
			return im.entries[k].Create
		}
	}
	return 0
}

// server executes a plan statement by statement, row by row, and refuses what InnoDB refuses.
type server struct {
	columns
	rows map[int32]plan.Row
}

func (c columns) server() server { return server{c, map[int32]plan.Row{}} }

func (s server) execute(p *plan.Plan) error {
	for _, id := range p.Unhook {
		r, ok := s.rows[id]
		if !ok {
			return fmt.Errorf("unhook: no row %d", id)
		}
		r.Parent = 0
		s.rows[id] = r
	}
	for _, d := range p.Clear {
		if err := s.delete(d); err != nil {
			return err
		}
	}
	for _, r := range p.Inserts {
		if err := s.write(plan.Row{}, r); err != nil {
			return fmt.Errorf("insert %v: %w", r, err)
		}
	}
	for _, u := range p.Updates {
		if s.rows[u.Old.ID] != u.Old {
			return fmt.Errorf("update: row is %v and not %v", s.rows[u.Old.ID], u.Old)
		}
		if err := s.write(u.Old, u.New); err != nil {
			return fmt.Errorf("update %v to %v: %w", u.Old, u.New, err)
		}
	}
	for _, d := range p.Deletes {
		if err := s.delete(d); err != nil {
			return err
		}
	}
	return nil
}

func (s server) delete(d plan.Row) error {
	if _, ok := s.rows[d.ID]; !ok {
		return fmt.Errorf("delete: no row %v", d)
	}
	for _, r := range s.rows {
		if r.Parent == d.ID {
			return fmt.Errorf("delete %v: %v refers to it", d, r)
		}
	}
	delete(s.rows, d.ID)
	return nil
}

func (s server) write(old, now plan.Row) error {
	if _, ok := s.rows[now.ID]; ok && old.ID != now.ID {
		return fmt.Errorf("the id is taken")
	}
	if _, ok := s.rows[now.Parent]; now.Parent != 0 && now.Parent != old.Parent && !ok {
		return fmt.Errorf("the parent does not exist")
	}
	for _, r := range s.rows {
		if r.ID != now.ID && s.fold(r.Key) == s.fold(now.Key) {
			return fmt.Errorf("the key is that of %v", r)
		}
	}
	s.rows[now.ID] = now
	return nil
}

// counted is an image that counts what it is asked.
type counted struct {
	*image
	asked int
}

func (c *counted) Key(key string) (cssetcd.Entry, bool) {
	c.asked++
	return c.image.Key(key)
}

func (c *counted) Below(key string) iter.Seq2[string, cssetcd.Entry] {
	return func(yield func(string, cssetcd.Entry) bool) {
		for k, e := range c.image.Below(key) {
			c.asked++
			if !yield(k, e) {
				return
			}
		}
	}
}
