package catalogue

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// HTTPRead is about a table over HTTP.
var HTTPRead = rig.Benchmark{
	Name:    "http-read",
	Summary: "reading a table over HTTP, against a server that sends the same bytes and knows nothing",
	Run:     measureHTTPRead,
}

func measureHTTPRead(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	b, err := r.Busy(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := newAnswering(ctx, r, b.CSS, b.View)
	if err != nil {
		return nil, err
	}
	// The peer has the answers by their paths, with all their headers.
	type bytes struct {
		header http.Header
		body   []byte
	}
	known := map[string]bytes{}
	for _, n := range b.Names {
		resp, err := ours.get(ctx, tablePath(n))
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return nil, err
		}
		resp.Header.Del("Date")
		known[tablePath(n)] = bytes{resp.Header, body}
	}
	peer, err := serveHTTP(r, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		have := known[req.URL.Path]
		maps.Copy(w.Header(), have.header)
		_, _ = w.Write(have.body) // the client is there
	}))
	if err != nil {
		return nil, err
	}
	turns, err := r.Turns(ctx, "http-read", r.Sizes.Rounds, readsOf(ours, b.Names, r.Sizes.HTTPReads),
		readsOf(peer, b.Names, r.Sizes.HTTPReads))
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("GET of %d tables in turn over one connection, %d in a block, from a catalogue of %d keys; "+
		"peer: the same from a handler of net/http that has the same bytes and headers in a map", len(b.Names),
		r.Sizes.HTTPReads, b.View.Stats().Keys)
	result, err := turns.Figure("http-read", measure.Nanoseconds, versus, measure.Within(1.5), "read")
	return []measure.Result{result}, err
}

func tablePath(n cssetcd.TableName) string { return "/v1/tables/" + n.DB + "/" + n.Table }

// readsOf is a block of reads.
func readsOf(from *answering, names []cssetcd.TableName, reads int) measure.Block {
	return func(ctx context.Context, m *measure.Meter) error {
		return m.Measure(func() error {
			for i := range reads {
				began := time.Now()
				resp, err := from.get(ctx, tablePath(names[i%len(names)]))
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if err != nil {
					return err
				}
				m.Each("read", 1, began)
			}
			return nil
		})
	}
}
