package kv

import "strings"

// Path names a key below the prefix of a store, without a slash in front: "css/DBS/lsst", "fold/dbs/lsst".
type Path string

// Parent returns the path without its last segment, and "" for a path of one segment.
func (p Path) Parent() Path {
	i := strings.LastIndexByte(string(p), '/')
	if i < 0 {
		return ""
	}
	return p[:i]
}

// Span is a range of paths: one key when To is "", else all paths p with From <= p < To in byte order.
type Span struct{ From, To Path }

// Everything is the span of all paths.
var Everything = Span{From: "", To: "\xff"}

// Key returns the span of p alone.
func Key(p Path) Span { return Span{From: p} }

// Below returns the span of everything below p, p itself not included: Object2 is not below Object.
func Below(p Path) Span { return Span{From: p + "/", To: p + "0"} }

// Tree returns the spans of p and of everything below it.
func Tree(p Path) []Span { return []Span{Key(p), Below(p)} }

// Single reports whether the span is one key.
func (s Span) Single() bool { return s.To == "" }

// Contains reports whether p lies in the span.
func (s Span) Contains(p Path) bool {
	if s.Single() {
		return p == s.From
	}
	return s.From <= p && p < s.To
}

// Covers reports whether every path of o lies in the span.
func (s Span) Covers(o Span) bool {
	if s.Single() || o.Single() {
		return s.Contains(o.From) && (o.Single() || o.From >= o.To)
	}
	return s.From <= o.From && o.To <= s.To
}

// String prints the span for messages: "css/DBS/lsst", or "css/DBS/lsst/..." for what lies below a key.
func (s Span) String() string {
	if s.Single() {
		return string(s.From)
	}
	if base, ok := strings.CutSuffix(string(s.From), "/"); ok && s == Below(Path(base)) {
		return base + "/..."
	}
	return "[" + string(s.From) + ", " + string(s.To) + ")"
}
