package api

import (
	"bytes"
	"fmt"
	"io"
	"slices"
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
	for _, c := range slices.Concat(u.Keys, u.EmptyChunks) {
		text, err := encode(form.OfChange(c, s.to))
		if err != nil {
			return nil, err
		}
		text = bytes.TrimSuffix(text, []byte("\n"))
		s.changes = append(s.changes, encodedChange{c.Key, text})
		s.bytes += len(text)
	}
	s.whole = sync.OnceValue(func() []byte {
		var b bytes.Buffer
		b.Grow(s.bytes + len(s.changes) + 200)
		_, _ = s.encode(&b, "") // a buffer takes all
		return b.Bytes()
	})
	return s, nil
}

// size is what a step takes, with the event of all changes.
func (s *step) size() int { return 2*s.bytes + 100*len(s.changes) + 500 }

// tell writes the event of what changed at a key or below it, "" for all, and reports whether that is anything. The
// event of all is made once; of any other there is no copy, however many take their time to read it.
func (s *step) tell(w io.Writer, root string) (told bool, err error) {
	if root == "" {
		_, err = w.Write(s.whole())
		return true, err
	}
	return s.encode(w, root)
}

func (s *step) encode(w io.Writer, root string) (begun bool, err error) {
	write := func(text []byte) {
		if err == nil {
			_, err = w.Write(text)
		}
	}
	if s.regressed { // which everybody has to know
		write(s.beginning())
		begun = true
	}
	separator := []byte(nil)
	for _, c := range s.changes {
		if !form.Concerns(c.key, root) {
			continue
		}
		if !begun {
			write(s.beginning())
			begun = true
		}
		write(separator)
		write(c.json)
		separator = []byte(",")
	}
	if begun {
		write([]byte("]}\n\n"))
	}
	return begun, err
}

// beginning is that of the event.
func (s *step) beginning() []byte {
	e := fmt.Appendf(nil, "id: %s\nevent: change\ndata: {\"from\":%d,\"revision\":%d,", eventID(s.to, s.cluster), s.before,
		s.to)
	if s.regressed {
		e = append(e, `"regressed":true,`...)
	}
	return append(e, `"changes":[`...)
}

// eventID names a moment of a catalogue: revisions of another cluster mean something else.
func eventID(rev cssetcd.Revision, cluster uint64) string { return fmt.Sprintf("%d-%x", rev, cluster) }
