package api

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/form"
)

// step is what the catalogue became by one update of the view. It is immutable but for its era, which goes on while it
// is the newest and is guarded by who keeps it, and for whole, which is made once.
type step struct {
	era       era // from the revision that the step led to
	before    cssetcd.Revision
	to        cssetcd.Revision
	cluster   uint64
	regressed bool
	changes   []encodedChange
	bytes     int
	whole     func() []byte // the event of all changes
}

// encodedChange is one changed key, and its form in JSON.
type encodedChange struct {
	key  string
	json []byte
}

func newStep(u cssetcd.Update) (*step, error) {
	s := &step{era: eraOf(u.To), before: u.From.Revision(), to: u.To.Revision(), cluster: u.To.Cluster(),
		regressed: u.Regressed}
	for _, c := range u.Keys {
		text, err := encode(form.OfChange(c, s.to))
		if err != nil {
			return nil, err
		}
		text = bytes.TrimSuffix(text, []byte("\n"))
		s.changes = append(s.changes, encodedChange{c.Key, text})
		s.bytes += len(text)
	}
	s.whole = sync.OnceValue(func() []byte { return s.encode("") })
	return s, nil
}

// size is what a step takes, with the event of all changes.
func (s *step) size() int { return 2*s.bytes + 100*len(s.changes) + 500 }

// event returns the event of what changed at a key or below it, "" for all; nil when that is nothing.
func (s *step) event(root string) []byte {
	if root == "" {
		return s.whole()
	}
	return s.encode(root)
}

func (s *step) encode(root string) []byte {
	var b bytes.Buffer
	for _, c := range s.changes {
		if root != "" && c.key != root && !strings.HasPrefix(c.key, root+"/") {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.Write(c.json)
	}
	if b.Len() == 0 && !s.regressed {
		return nil
	}
	var e bytes.Buffer
	e.Grow(b.Len() + 200)
	fmt.Fprintf(&e, "id: %s\nevent: change\ndata: {\"from\":%d,\"revision\":%d,", eventID(s.to, s.cluster), s.before, s.to)
	if s.regressed {
		e.WriteString(`"regressed":true,`)
	}
	e.WriteString(`"changes":[`)
	e.Write(b.Bytes())
	e.WriteString("]}\n\n")
	return e.Bytes()
}

// eventID names a moment of a catalogue: revisions of another cluster mean something else.
func eventID(rev cssetcd.Revision, cluster uint64) string { return fmt.Sprintf("%d-%x", rev, cluster) }
