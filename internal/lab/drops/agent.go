package drops

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/qserv/css-etcd/internal/agent"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/internal/unixsocket"
)

// MayDispatch is about what a czar in another language asks before each chunk query.
var MayDispatch = rig.Benchmark{
	Name:    "agent-may-dispatch",
	Summary: "asking the agent whether a chunk query may be sent, against an echo on a socket",
	Run:     measureMayDispatch,
}

func measureMayDispatch(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	css, err := r.Catalogue(ctx, survey.Sample())
	if err != nil {
		return nil, err
	}
	view, err := r.View(ctx, css)
	if err != nil {
		return nil, err
	}
	gate, err := openGate(ctx, r, css, view)
	if err != nil {
		return nil, err
	}
	a, err := agent.New(agent.Config{Catalogue: css, View: view, Gate: gate, TTL: time.Hour, Hold: time.Minute})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "css-lab")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := unixsocket.Listen(filepath.Join(dir, "agent"), 0o600)
	if err != nil {
		return nil, err
	}
	server := agent.NewServer(a)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // ends with Close
	defer serving.Wait()
	defer server.Close()
	return compareMayDispatch(ctx, r, l.Addr().String(), filepath.Join(dir, "echo"))
}

func compareMayDispatch(ctx context.Context, r *rig.Rig, ours, peer string) ([]measure.Result, error) {
	conn, err := net.Dial("unix", ours)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	token, release, err := admitOverSocket(ours)
	if err != nil {
		return nil, err
	}
	defer release()
	question := []byte("POST /v1/queries/" + token + "/may-dispatch HTTP/1.1\r\nHost: css\r\nContent-Length: 0\r\n\r\n")
	answer, err := firstAnswer(conn, question)
	if err != nil {
		return nil, err
	}
	echo, err := net.Listen("unix", peer)
	if err != nil {
		return nil, err
	}
	var echoing sync.WaitGroup
	echoing.Go(func() { echoTo(echo, len(question), answer) })
	defer echoing.Wait()
	defer echo.Close()
	bare, err := net.Dial("unix", peer)
	if err != nil {
		return nil, err
	}
	defer bare.Close()
	batches := max(1, r.Sizes.ReadBatches/400) // of what takes as many times as long as a read
	turns, err := r.Turns(ctx, "agent-may-dispatch", r.Sizes.Rounds, askAll(conn, question, answer, batches),
		askAll(bare, question, answer, batches))
	if err != nil {
		return nil, err
	}
	result, err := turns.Figure("agent-may-dispatch", measure.Nanoseconds, fmt.Sprintf(
		"one question after the other on one connection, %d bytes, and its answer, %d bytes; peer: the same bytes on a "+
			"socket at whose other end a goroutine reads and writes", len(question), len(answer)), measure.Within(2), "ask")
	return []measure.Result{result}, err
}

// askAll is a block of either side.
func askAll(conn net.Conn, question, answer []byte, batches int) measure.Block {
	got := make([]byte, len(answer))
	return func(_ context.Context, m *measure.Meter) error {
		return m.Measure(func() error {
			for range batches {
				began := time.Now()
				for range rig.Batch {
					if _, err := conn.Write(question); err != nil {
						return err
					}
					if _, err := io.ReadFull(conn, got); err != nil {
						return err
					}
				}
				m.Each("ask", rig.Batch, began)
				if !bytes.Equal(got[:16], answer[:16]) { // the rest has the time
					return fmt.Errorf("the answer is %q", got)
				}
			}
			return nil
		})
	}
}

// firstAnswer returns the answer to a question, all of which arrives at once.
func firstAnswer(conn net.Conn, question []byte) ([]byte, error) {
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	buffer := make([]byte, 4096)
	n, err := conn.Read(buffer)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(buffer[:n], []byte("HTTP/1.1 204 ")) {
		return nil, fmt.Errorf("the agent answers %q", buffer[:n])
	}
	return buffer[:n], nil
}

// echoTo answers questions of a length on one connection, until it or the listener is closed.
func echoTo(l net.Listener, length int, answer []byte) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	question := make([]byte, length)
	for {
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// admitOverSocket begins a session and a query in it. Release ends both.
func admitOverSocket(socket string) (token string, release func(), err error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	session, err := client.Post("http://css/v1/sessions", "", nil)
	if err != nil {
		return "", nil, err
	}
	got, err := client.Post("http://css/v1/queries", "application/json", strings.NewReader(fmt.Sprintf(
		`{"session":%q,"tables":[%q]}`, session.Header.Get(agent.HeaderSession), survey.Year1+".Object")))
	if err != nil {
		return "", nil, err
	}
	defer got.Body.Close()
	var admitted struct{ Token string }
	if err := json.NewDecoder(got.Body).Decode(&admitted); err != nil || admitted.Token == "" {
		return "", nil, fmt.Errorf("no query was admitted: status %d, %w", got.StatusCode, err)
	}
	return admitted.Token, func() {
		if r, err := http.NewRequest(http.MethodDelete, "http://css/v1/queries/"+admitted.Token, nil); err == nil {
			if done, err := client.Do(r); err == nil {
				_ = done.Body.Close()
			}
		}
		_ = session.Body.Close()
		client.CloseIdleConnections()
	}, nil
}
