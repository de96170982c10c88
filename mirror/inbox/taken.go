package inbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Path returns where the [Taken] of a mirror is kept.
func Path(mirror string) kv.Path { return csskey.Inboxes + "/" + kv.Path(mirror) }

// Taken is what etcd keeps of a mirror's inbox. The zero value is that of an inbox of which nothing was decided on.
type Taken struct {
	IDs       IDs           // rows that were decided on and may still be in the inbox
	Newest    time.Time     // none of them was written later
	Overruled []Overruling  // those of them that etcd did not take
	Revisions []kv.Revision // at which rows in IDs were decided on, the newest apart: that is At
	Applied   kv.Revision   // that kvData showed when rows were decided on last
	Claims    []string      // names that were put as DO_NOT_USE because what is below them does not fit beside them
	Halves    []Half        // names that lack something
	At        kv.Revision   // ModRevision of the key; 0: it is not there
}

// Half is an incarnation of a name below which something was overruled before it was READY.
type Half struct {
	Name   string      `json:"name"`
	Create kv.Revision `json:"create"`
}

// Overruling is why rows were not taken.
type Overruling struct {
	IDs      IDs         `json:"ids"`
	Kind     string      `json:"kind"`
	Reason   Reason      `json:"reason"`
	Detail   string      `json:"detail,omitempty"`
	Revision kv.Revision `json:"revision"` // of etcd, that was decided on
}

// stored is the form of Taken in etcd.
type stored struct {
	IDs       IDs           `json:"ids"`
	Newest    time.Time     `json:"newest,omitzero"`
	Overruled []Overruling  `json:"overruled,omitempty"`
	Revisions []kv.Revision `json:"revisions,omitempty"`
	Applied   kv.Revision   `json:"applied"`
	Claims    []string      `json:"claims,omitempty"`
	Halves    []Half        `json:"halves,omitempty"`
}

// Parse reads what a key of etcd holds.
func Parse(e kv.Entry) (Taken, error) {
	if !e.Exists() {
		return Taken{}, nil
	}
	var s stored
	if err := json.Unmarshal([]byte(e.Value), &s); err != nil {
		return Taken{}, fmt.Errorf("what etcd keeps of the inbox cannot be read: %w", err)
	}
	return Taken{s.IDs, s.Newest, s.Overruled, s.Revisions, s.Applied, s.Claims, s.Halves, e.Mod}, nil
}

// Format returns what the key is to hold.
func (t Taken) Format() string {
	text, err := json.Marshal(stored{t.IDs, t.Newest, t.Overruled, t.Revisions, t.Applied, t.Claims, t.Halves})
	if err != nil {
		panic(err) // it is text and numbers
	}
	return string(text)
}

// Within returns what matters of it while only these rows are in the inbox, with the revision that it was put at among
// the others.
func (t Taken) Within(rows []Row) Taken {
	live := Taken{At: t.At, Applied: t.Applied, Newest: t.Newest, Halves: t.Halves}
	var ids []int64
	for _, r := range rows {
		if t.decided(r) {
			ids = append(ids, r.ID)
		} else if slices.Contains(t.Claims, r.Key) && !slices.Contains(live.Claims, r.Key) {
			live.Claims = append(live.Claims, r.Key)
		}
	}
	live.IDs = IDsOf(ids...)
	for _, o := range t.Overruled {
		if o.IDs = o.IDs.and(live.IDs); len(o.IDs) > 0 {
			live.Overruled = append(live.Overruled, o)
		}
	}
	live.Revisions = t.Revisions
	return live.counted()
}

// counted returns it with the revision that it was put at among the others, where they matter.
func (t Taken) counted() Taken {
	if t.Open() {
		t.Revisions = append(slices.Clone(t.Revisions), t.At)
	} else {
		t.Revisions = nil
	}
	return t
}

// Open reports whether a step has to come: something was decided on that kvData and the inbox do not show yet.
func (t Taken) Open() bool { return len(t.IDs)+len(t.Claims) > 0 }

// decided reports whether a row was decided on. One that is younger than all that were only has the id of one: MySQL
// was set back, and counts from there.
func (t Taken) decided(r Row) bool { return t.IDs.Has(r.ID) && !r.At.After(t.Newest) }

// overruled returns why a row was not taken.
func (t Taken) overruled(r Row) (Overruling, bool) {
	if !t.decided(r) {
		return Overruling{}, false
	}
	i := slices.IndexFunc(t.Overruled, func(o Overruling) bool { return o.IDs.Has(r.ID) })
	if i < 0 {
		return Overruling{}, false
	}
	return t.Overruled[i], true
}

// IDs is a set of ids: ranges that neither touch nor overlap, in ascending order. It is a value: what makes another one
// leaves it as it is.
type IDs []Range

// Range is the ids from First to Last, both included.
type Range struct{ First, Last int64 }

// IDsOf returns the set of some ids.
func IDsOf(ids ...int64) (s IDs) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	for _, id := range ids {
		if n := len(s); n > 0 && s[n-1].Last >= id-1 {
			s[n-1].Last = id
			continue
		}
		s = append(s, Range{id, id})
	}
	return s
}

// IDsOfRows returns the set of the ids of some rows.
func IDsOfRows(rows []Row) IDs {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return IDsOf(ids...)
}

// Has reports whether an id is in the set.
func (s IDs) Has(id int64) bool {
	_, ok := slices.BinarySearchFunc(s, id, func(r Range, id int64) int {
		switch {
		case r.Last < id:
			return -1
		case r.First > id:
			return 1
		}
		return 0
	})
	return ok
}

// Len returns how many ids are in the set.
func (s IDs) Len() (n int) {
	for _, r := range s {
		n += int(r.Last - r.First + 1)
	}
	return n
}

// All yields the ids in ascending order.
func (s IDs) All() []int64 {
	out := make([]int64, 0, s.Len())
	for _, r := range s {
		for id := r.First; id <= r.Last; id++ {
			out = append(out, id)
		}
	}
	return out
}

// Or returns the ids that are in one of two sets.
func (s IDs) Or(other IDs) (out IDs) {
	if len(s)+len(other) == 0 {
		return nil
	}
	out = make(IDs, 0, len(s)+len(other))
	for len(s)+len(other) > 0 {
		from := &s
		if len(s) == 0 || len(other) > 0 && other[0].First < s[0].First {
			from = &other
		}
		r := (*from)[0]
		*from = (*from)[1:]
		if n := len(out); n > 0 && out[n-1].Last >= r.First-1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s IDs) and(other IDs) (out IDs) {
	for i, j := 0, 0; i < len(s) && j < len(other); {
		if first, last := max(s[i].First, other[j].First), min(s[i].Last, other[j].Last); first <= last {
			out = append(out, Range{first, last})
		}
		if s[i].Last < other[j].Last {
			i++
		} else {
			j++
		}
	}
	return out
}

// MarshalText writes "1-5,8,11-19/2". The last is each second one, as a server counts that is one of two: all of them
// one by one would not fit into a request.
func (s IDs) MarshalText() ([]byte, error) {
	var b []byte
	for len(s) > 0 {
		if len(b) > 0 {
			b = append(b, ',')
		}
		n, step := s.steps()
		b = strconv.AppendInt(b, s[0].First, 10)
		if last := s[n-1].Last; last > s[0].First {
			b = strconv.AppendInt(append(b, '-'), last, 10)
		}
		if n > 1 {
			b = strconv.AppendInt(append(b, '/'), step, 10)
		}
		s = s[n:]
	}
	return b, nil
}

// steps returns how many ranges at the beginning are single ids at equal distances, and that distance; 1 for others.
func (s IDs) steps() (n int, step int64) {
	if len(s) > 1 {
		step = s[1].First - s[0].First
	}
	single := func(r Range) bool { return r.First == r.Last }
	for n = 1; n < len(s) && single(s[n-1]) && single(s[n]) && s[n].First-s[n-1].First == step; {
		n++
	}
	if n < 3 {
		return 1, 1
	}
	return n, step
}

// mostSteps bounds what a few characters may stand for.
const mostSteps = 10_000_000

// UnmarshalText reads what MarshalText writes.
func (s *IDs) UnmarshalText(text []byte) error {
	*s = nil
	if len(text) == 0 {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		span, every, isSteps := strings.Cut(part, "/")
		from, to, isRange := strings.Cut(span, "-")
		if !isRange {
			to = from
		}
		if !isSteps {
			every = "1"
		}
		first, err1 := strconv.ParseInt(from, 10, 64)
		last, err2 := strconv.ParseInt(to, 10, 64)
		step, err3 := strconv.ParseInt(every, 10, 64)
		if n := len(*s); errors.Join(err1, err2, err3) != nil || last < first || n > 0 && first <= (*s)[n-1].Last+1 ||
			isSteps && (step < 2 || (last-first)%step != 0 || (last-first)/step > mostSteps) {
			return fmt.Errorf("%.40q is no list of ids", part)
		}
		if !isSteps {
			*s = append(*s, Range{first, last})
			continue
		}
		for ; first < last; first += step {
			*s = append(*s, Range{first, first})
		}
		*s = append(*s, Range{last, last})
	}
	return nil
}
