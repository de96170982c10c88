package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/qserv/css-etcd/cssetcd"
)

// answer is what a request gets, as a value.
type answer struct {
	status int    // 0: 200
	body   any    // in JSON
	text   []byte // in place of the body, where that is there in JSON
	tag    string // the ETag, with its quotes; "": that of the bytes
	// stream writes the body where that is too large to be held twice; it has a tag
	stream func(io.Writer) error
}

const contentJSON = "application/json"

// write sends an answer, or that the client has it already.
func (a answer) write(w http.ResponseWriter, r *http.Request) error {
	body := a.text
	if a.stream == nil && body == nil {
		var err error
		if body, err = encode(a.body); err != nil {
			return err
		}
	}
	h := w.Header()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if a.tag == "" {
			a.tag = tagOfBytes(body)
		}
		h.Set("Etag", a.tag)
		h.Set("Cache-Control", "no-cache") // may be kept, and is asked about each time
		if matches(r.Header.Values("If-None-Match"), a.tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	h.Set("Content-Type", contentJSON)
	if a.stream != nil {
		w.WriteHeader(http.StatusOK)
		_ = a.stream(w) // the client is gone
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if a.status == 0 {
		a.status = http.StatusOK
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // likewise
	return nil
}

// writeProblem sends a problem.
func writeProblem(w http.ResponseWriter, p *problem) {
	body, err := encode(p)
	if err != nil {
		body = []byte(`{"code":"internal","message":"the problem cannot be written as JSON"}`)
	}
	h := w.Header()
	for name := range h {
		if name != "Allow" && name != "Www-Authenticate" {
			h.Del(name) // they were meant for another answer
		}
	}
	h.Set("Content-Type", contentJSON)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.again > 0 {
		h.Set("Retry-After", strconv.Itoa(p.again))
	}
	w.WriteHeader(p.status)
	_, _ = w.Write(body) // the client may be gone
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// tagOf is the ETag of what was last changed at a revision.
func tagOf(rev cssetcd.Revision) string { return strconv.Quote(strconv.FormatInt(int64(rev), 10)) }

// tagOfBytes is the ETag of what has no revision of its own, as a listing: etcd's revision rises with what has nothing
// to do with it, too.
func tagOfBytes(body []byte) string {
	sum := sha256.Sum256(body)
	return strconv.Quote("h" + hex.EncodeToString(sum[:12]))
}
