package roles

import (
	"fmt"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/kv"
)

// Permission is one entry of a role of etcd: a key, or the range from it up to End.
type Permission struct {
	Access Access
	Key    string
	End    string // "": the key alone
}

// prefix reports whether the range is that of all keys that begin with Key.
func (p Permission) prefix() bool { return p.End != "" && p.End == clientv3.GetPrefixRangeEnd(p.Key) }

// within reports whether no key of the permission is outside of those that begin with the prefix.
func (p Permission) within(prefix string) bool {
	return strings.HasPrefix(p.Key, prefix) &&
		(p.End == "" || p.End > p.Key && p.End <= clientv3.GetPrefixRangeEnd(prefix))
}

func (p Permission) sameRange(o Permission) bool { return p.Key == o.Key && p.End == o.End }

// Role is a role of etcd.
type Role struct {
	Name        string
	Permissions []Permission
}

// RoleOf returns the role of a part, for the catalogue below a prefix of etcd, without a slash at its end. The name of
// the role is that of the part after named.
func RoleOf(p Part, prefix, named string) Role {
	r := Role{Name: named + string(p)}
	for _, g := range Of(p) {
		r.Permissions = append(r.Permissions, permission(g, prefix+"/"))
	}
	return r
}

func permission(g Grant, prefix string) Permission {
	switch {
	case g.Span == kv.Everything:
		return Permission{g.Access, prefix, clientv3.GetPrefixRangeEnd(prefix)}
	case g.Span.Single():
		return Permission{g.Access, prefix + string(g.Span.From), ""}
	}
	return Permission{g.Access, prefix + string(g.Span.From), prefix + string(g.Span.To)}
}

// Kind is what a step does.
type Kind string

// The kinds of steps.
const (
	AddRole Kind = "add"
	Allow   Kind = "grant"
	Forbid  Kind = "revoke"
)

// Step is one change of etcd's roles.
type Step struct {
	Kind       Kind
	Role       string
	Permission Permission // of Allow and Forbid
}

// Plan returns what makes roles of those that there are. What such a role may do with keys of the prefix and need not,
// is taken from it; what it may do elsewhere stays. Etcd has one kind of access for one range, so that granting it
// replaces the other.
func Plan(have []Role, want []Role, prefix string) (steps []Step) {
	for _, w := range want {
		at := slices.IndexFunc(have, func(r Role) bool { return r.Name == w.Name })
		var had []Permission
		if at < 0 {
			steps = append(steps, Step{Kind: AddRole, Role: w.Name})
		} else {
			had = have[at].Permissions
		}
		for _, p := range had {
			if p.within(prefix+"/") && !slices.ContainsFunc(w.Permissions, p.sameRange) {
				steps = append(steps, Step{Forbid, w.Name, p})
			}
		}
		for _, p := range w.Permissions {
			if !slices.Contains(had, p) {
				steps = append(steps, Step{Allow, w.Name, p})
			}
		}
	}
	return steps
}

// Command is what does a step, for a shell.
func (s Step) Command() string {
	role := quoted(s.Role)
	switch s.Kind {
	case AddRole:
		return "etcdctl role add " + role
	case Allow:
		return fmt.Sprintf("etcdctl role grant-permission %s%s %s %s", role, s.Permission.flag(), s.Permission.Access,
			s.Permission.keys())
	}
	return fmt.Sprintf("etcdctl role revoke-permission %s%s %s", role, s.Permission.flag(), s.Permission.keys())
}

func (p Permission) flag() string {
	if p.prefix() {
		return " --prefix=true"
	}
	return ""
}

func (p Permission) keys() string {
	if p.prefix() || p.End == "" {
		return quoted(p.Key)
	}
	return quoted(p.Key) + " " + quoted(p.End)
}

// String says what a step does, as what was done.
func (s Step) String() string {
	switch s.Kind {
	case AddRole:
		return "role " + s.Role + " added"
	case Allow:
		return fmt.Sprintf("role %s may %s %s now", s.Role, s.Permission.Access.verb(), s.Permission)
	}
	return fmt.Sprintf("role %s may not %s %s any more", s.Role, s.Permission.Access.verb(), s.Permission)
}

// String names the keys: all that begin with a text, a range, or one.
func (p Permission) String() string {
	switch {
	case p.prefix():
		return p.Key + "..."
	case p.End == "":
		return p.Key
	}
	return "[" + p.Key + ", " + p.End + ")"
}

func (a Access) verb() string {
	if a == ReadWrite {
		return "read and write"
	}
	return string(a)
}

// quoted is a word for a shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("/._-:@+,=", r))
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
